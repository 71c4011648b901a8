// ---- where no painter is: what waits is sent from whatever tab is open ----

// Gradio runs this once a mount, as the painter's own scripts; see imil/app/painter/waiting_masks.py.

let onItsWay = null; // {key, at}
const refusedHere = new Set(); // the painter says why, when it is opened

async function lookAfter() {
  if (!element.isConnected) return;
  // The painter sends its own, and shows what becomes of them.
  const painter = document.querySelector("#painter .painter");
  const waits = onItsWay && Date.now() - onItsWay.at < PATIENCE;
  const key = painter || waits ? null : waitingKeys().find((each) => !refusedHere.has(each));
  const left = key && readJson(key);
  if (left?.painted && (await reachable())) {
    onItsWay = { key, at: Date.now() };
    trigger("keep", { painted: left.painted });
  }
  setTimeout(lookAfter, LOOK_AGAIN);
}

function onKept() {
  const { study, accepted } = props.kept;
  const key = unsentKey(study, accepted.sample, accepted.reader);
  dropSaved(study, accepted);
  try { localStorage.removeItem(key); } catch { /* it never was there */ }
  onItsWay = null;
}

function onRefused() {
  const { study, sample, reader } = props.refused;
  refusedHere.add(unsentKey(study, sample, reader));
  onItsWay = null;
}

// Not as quoted words: Gradio would take those for the names of events of the component.
for (const [name, hear] of Object.entries({ kept: onKept, refused: onRefused })) watch(name, hear);
lookAfter();
