// ---- the way to Python: one value with the mask and the film it was painted on ----

// A mask that was handed in is kept beside the drafts until the server says that it has it. If the
// connection is lost meanwhile, it is sent by itself when it is back. The server knows a mask that
// arrives twice, and keeps it once.
const SETTLE = 400; // ms after a film opens in which the second half of a double click is ignored
const MOVING = 4000; // ms after which a film that was asked for may be asked for again
const ANSWER_AFTER = 150; // ms without a further stroke until the model is asked
const ATTEMPTS = 3;

let strokes = Date.now(); // counts on over mounts, so that no late answer fits a newer stroke
let asking = 0;
let moving = -Infinity; // when another film was asked for
let sending = null; // {key, at, tries, lost} of the mask that is on its way
let tending = 0;

// Nothing is asked while the browser knows that it is offline: Gradio would give the page up, and
// reload it when the connection is back.
function send(name, data) {
  if (!online() || !element.isConnected) return false;
  trigger(name, data);
  return true;
}

// How the mask came about: `start` is the mask that it was begun from, null without one, and `begun`
// how that one did.
function origin() {
  if (!film.start) return "painted";
  return same(film.start, film.runs) ? film.begun : "corrected";
}

function painted() {
  return {
    study: film.study, sample: film.sample, title: film.title, reader: film.reader,
    size: [film.width, film.height], queue: film.queue,
    mode: film.mode, runs: film.runs, rev: film.rev, seconds: spent(), base: film.base,
    origin: origin(), stroke: String(strokes), press: "",
  };
}

function publish() {
  props.value = painted();
}

// Ask what the model would say, once the hand rests; whoever shows the answer sees from the
// stroke's number whether it is still the newest.
function ask() {
  strokes += 1;
  root.dataset.stroke = String(strokes);
  const detail = { sample: film.sample };
  document.dispatchEvent(new CustomEvent("imil-stroke", { detail }));
  clearTimeout(asking);
  asking = setTimeout(() => { if (film) send("stroke"); }, ANSWER_AFTER);
}

// ---- acts: buttons here, buttons elsewhere (as document events), keys ----

const recent = () => performance.now() - opened < SETTLE;

function act(name) {
  if (name === "next" || name === "previous") return move(name);
  if (!film || recent()) return;
  finish();
  if (name === "blackout") return handIn();
  publish(); // with the seconds as they are now
  if (!send(name)) say(words.offlineMoveWord);
}

function move(name) {
  if (performance.now() - moving < MOVING) return;
  if (film) {
    finish();
    publish();
  }
  if (!send(name)) return say(words.offlineMoveWord);
  moving = performance.now();
}

function handIn() {
  const hidden = covered(film.runs);
  if (!hidden) return say(film.base ? words.erasedWord : words.emptyWord);
  if (hidden > Number(words.most) * film.width * film.height) {
    return say(film.mode === KEEP ? words.muchKeepWord : words.muchWord);
  }
  const key = unsentKey(film.study, film.sample, film.reader);
  if (sending?.key === key && sending.tries) return; // it is on its way
  publish();
  last = { study: film.study, reader: film.reader, size: [film.width, film.height], runs: film.runs };
  props.value = { ...props.value, press: String(Date.now()) };
  keepInStorage(key, JSON.stringify({ at: Date.now(), painted: props.value }));
  sending = { key, at: 0, tries: 0, lost: false, painted: props.value };
  if (online()) sendAgain();
  else notSaved();
  tend();
}

// ---- what was handed in, and is not known to be saved ----

// Whether that is the film that is open, for the same reader. What an older page left names none.
const isOpen = ({ study, sample, reader = "" }) =>
  film?.study === study && film.sample === sample && film.reader === reader;

// What people call the image of a mask that waits, or of the film.
function titleOf(study, sample, reader) {
  if (film?.study === study && film.sample === sample) return film.title;
  return readJson(unsentKey(study, sample, reader))?.painted.title ?? sample;
}

function forget(...image) {
  const key = unsentKey(...image);
  if (sending?.key === key) sending = null;
  try { localStorage.removeItem(key); } catch { /* it never was there */ }
  if (!sending) notice("unsent", "");
}

function notSaved() {
  sending.lost = true;
  notice("unsent", words.unsentWord);
}

// The film that is still open moves on as if it had been sent at once; another one is only kept.
function sendAgain() {
  sending.at = Date.now();
  sending.tries += 1;
  sending.lost = false;
  const { painted: mask } = sending;
  if (isOpen(mask)) {
    props.value = mask;
    send("blackout");
  } else send("keep", { painted: mask });
}

async function tend() {
  clearTimeout(tending);
  tending = 0;
  if (!element.isConnected) return;
  if (!sending) {
    // Left by a page that was closed or reloaded; what is younger may be another tab's, on its way.
    const [key] = waitingKeys();
    const left = key && readJson(key);
    if (left?.painted) sending = { key, at: 0, tries: 0, lost: true, painted: left.painted };
  }
  if (!sending && !unsent().length) return;
  if (sending && Date.now() - sending.at > LOOK_AGAIN) {
    const there = await reachable();
    if (sending && !there) notSaved();
    else if (sending && sending.tries >= ATTEMPTS) {
      notice("unsent", words.unansweredWord);
      sending = { ...sending, tries: 0, at: Date.now() };
    } else if (sending && !stroke && (sending.lost || Date.now() - sending.at > PATIENCE)) sendAgain();
  }
  tending = setTimeout(tend, LOOK_AGAIN);
}

// A film has come with the word that the one before is saved.
function settled(study, accepted) {
  dropSaved(study, accepted);
  forget(study, accepted.sample, accepted.reader);
}

// A mask that had waited is saved, and this film stays open.
function kept() {
  const { study, accepted } = props.kept;
  const title = titleOf(study, accepted.sample, accepted.reader);
  settled(study, accepted);
  if (isOpen({ study, ...accepted })) film.base = accepted.base;
  say(words.sentWord.replace("{sample}", title));
}

// The server has not taken the mask, and says why; it stays here, as it was painted.
function refused() {
  const { study, sample, reader, words: why, base } = props.refused;
  const title = titleOf(study, sample, reader);
  forget(study, sample, reader);
  if (!isOpen(props.refused)) return notice("refused", `${title}: ${why}`);
  notice("refused", why);
  if (base !== film.base) meet(props.refused);
}

// Another tab has saved a mask for the film that is being painted here: neither is lost.
function meet({ base, runs, start, origin: begun }) {
  film.base = base;
  saveDraft();
  notice("other", words.otherWord, {
    label: words.otherActWord,
    run: () => {
      notice("other", "");
      replaceBy(runs, start, begun);
    },
  });
}

// ---- the connection ----

function onLine() {
  if (!element.isConnected) return window.removeEventListener("online", onLine);
  notice("offline", "");
  if (film) {
    ask();
    askLooks();
  }
  tend();
}
function onOffline() {
  if (!element.isConnected) return window.removeEventListener("offline", onOffline);
  if (film && !sending) notice("offline", words.offlineWord);
  if (sending) notSaved();
}
window.addEventListener("online", onLine);
window.addEventListener("offline", onOffline);
