// ---- drafts: the unfinished mask outlives a reload; mask bits only, never pixels ----

// Each tab of the browser keeps its own drafts, so that two tabs never write over each other. A tab
// that was closed leaves its drafts to whichever opens the image next, for the same reader: readers
// of one browser are not shown each other's.
const DRAFT = "imil-draft:";
const AUTOSAVE = 1000; // ms between two savings within one stroke
let savedAt = 0;

const newTab = () => Array.from(crypto.getRandomValues(new Uint8Array(4)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

// The tab's name stays over a reload. A duplicated tab starts with the name of the first: the lock
// tells that it is taken, and the second is given another.
function tab() {
  if (window.imilTab) return window.imilTab;
  try { window.imilTab = sessionStorage.getItem("imil-tab"); } catch { /* forbidden */ }
  const take = (name) => {
    window.imilTab = name;
    try { sessionStorage.setItem("imil-tab", name); } catch { /* forbidden */ }
    navigator.locks?.request(`imil-tab-${name}`, { ifAvailable: true },
      (lock) => (lock ? new Promise(() => {}) : take(newTab())));
  };
  take(window.imilTab || newTab());
  return window.imilTab;
}

// A reader without a name is "".
const imageOf = (study, sample, reader) => `${study}/${sample}${reader ? `\n${reader}` : ""}`;
const draftOf = (...image) => `${DRAFT}${imageOf(...image)}`;
const ownDraft = (...image) => `${draftOf(...image)}#${tab()}`;

// The keys of an image's drafts, of whichever tab.
function draftsOf(...image) {
  const start = draftOf(...image);
  return Object.keys(localStorage).filter((key) =>
    key === start || (key.startsWith(`${start}#`) && /^[0-9a-f]{8}$/.test(key.slice(start.length + 1))));
}

function saveDraft() {
  if (!film.rev) return; // nothing was painted that the server has not
  savedAt = performance.now();
  const draft = JSON.stringify({
    size: [film.width, film.height], runs: film.runs, mode: film.mode, rev: film.rev,
    seconds: spent(), start: film.start, begun: film.begun, base: film.base, at: Date.now(),
  });
  keepInStorage(ownDraft(film.study, film.sample, film.reader), draft);
}

// The oldest drafts make room where storage is full; what waits to be sent never does.
function keepInStorage(key, content) {
  const older = () => Object.keys(localStorage)
    .filter((other) => other.startsWith(DRAFT) && other !== key)
    .sort((a, b) => (readJson(a)?.at ?? 0) - (readJson(b)?.at ?? 0));
  try {
    for (let others = null; ;) {
      try {
        return localStorage.setItem(key, content);
      } catch (full) {
        others ??= older();
        if (!others.length) throw full;
        localStorage.removeItem(others.shift());
      }
    }
  } catch {
    say(words.storageWord); // forbidden or too small: the mask on the screen is untouched
  }
}

function readJson(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function readDraft({ study, sample, reader, size: [width, height] }) {
  try {
    const fits = (draft) => draft && draft.size[0] === width && draft.size[1] === height
      && draft.runs.every((run) => Number.isInteger(run) && run >= 0)
      && draft.runs.reduce((a, b) => a + b, 0) === width * height;
    const own = readJson(ownDraft(study, sample, reader));
    if (fits(own)) return own;
    const others = draftsOf(study, sample, reader).map(readJson).filter(fits);
    return others.sort((a, b) => (b.at ?? 0) - (a.at ?? 0))[0] ?? null;
  } catch {
    return null;
  }
}

// The server has a mask: its draft goes, and so does every copy of it. What was painted after the
// mask had been sent stays, on top of it.
function dropDrafts(study, accepted, runs) {
  try {
    const own = ownDraft(study, accepted.sample, accepted.reader);
    for (const key of draftsOf(study, accepted.sample, accepted.reader)) {
      const draft = readJson(key);
      const copy = runs && String(draft?.runs) === String(runs);
      if (!draft || copy || (key === own && draft.rev <= accepted.rev)) localStorage.removeItem(key);
      else if (key === own) {
        localStorage.setItem(key, JSON.stringify({ ...draft, base: accepted.base }));
      }
    }
  } catch { /* nothing to drop */ }
}
