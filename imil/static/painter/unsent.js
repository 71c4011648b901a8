// ---- masks that were handed in, and are not known to be saved ----

const UNSENT = "imil-unsent:";
const LOOK_AGAIN = 2500; // ms between two looks at what is unsent
const PATIENCE = 20000; // ms without an answer until the same mask is sent again

const online = () => navigator.onLine;
const unsentKey = (...image) => `${UNSENT}${imageOf(...image)}`;

function unsent() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(UNSENT));
  } catch {
    return [];
  }
}

// Left by a page that was closed or reloaded; what is younger may be another tab's, on its way.
const waitingKeys = () =>
  unsent().filter((key) => Date.now() - (readJson(key)?.at ?? 0) > LOOK_AGAIN);

// The server has a mask that was handed in: its drafts go.
function dropSaved(study, accepted) {
  const left = readJson(unsentKey(study, accepted.sample, accepted.reader));
  dropDrafts(study, accepted, left?.painted.rev === accepted.rev ? left.painted.runs : null);
}

async function reachable() {
  if (!online()) return false;
  const { root: address = location.origin, api_prefix: prefix = "" } = window.gradio_config ?? {};
  try {
    const answer = await fetch(`${address}${prefix}/app_id`,
      { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return answer.ok;
  } catch {
    return false;
  }
}
