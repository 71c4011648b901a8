// The painter in the browser. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch).
//
// The mask is an array of its own, one byte a pixel of the film at its own size. The canvases only
// show it: nothing is ever read back from a canvas, so neither anti-aliasing, zoom, pixel density
// nor a browser that disturbs canvas reads can change a pixel of it.
//
// Rule: a stroke of radius r covers exactly the pixels whose centre lies within r of its line.

const $ = (query) => element.querySelector(query);
const root = $(".painter");
const words = root.dataset;
const stage = $(".stage");
const filmCanvas = $(".film");
const paintCanvas = $(".paint");
const ring = $(".ring");
const size = $("[data-size]");

const PAINT = [255, 61, 187, 255]; // #FF3DBB; the veil's 58 % is the canvas's CSS opacity
const SMALLEST_RADIUS = 0.75; // px: above half a pixel's diagonal, so that every touch covers one
const HISTORY = 100; // strokes that can be undone
const SETTLE = 400; // ms after a film opens in which the second half of a double click is ignored
const DRAFT = "imil-draft:";
const ANSWER_AFTER = 150; // ms without a further stroke until the model is asked

let film = null; // {study, sample, width, height, irrelevant, runs, rev, start}
let tool = "brush";
let history = [];
let stroke = null; // {x, y, pointer, value}
let opened = 0;
let latest = 0; // the newest load; an older one that finishes late is dropped
let watchedSince = null;
let seconds = 0;
let strokes = Date.now(); // counts on over mounts, so that no late answer fits a newer stroke
let asking = 0;

// ---- masks as run lengths: row by row, starting with the pixels that stay ----

function encode(irrelevant) {
  const runs = [];
  let value = 0;
  let start = 0;
  for (let i = 0; i < irrelevant.length; i++) {
    if (irrelevant[i] !== value) {
      runs.push(i - start);
      start = i;
      value = irrelevant[i];
    }
  }
  runs.push(irrelevant.length - start);
  return runs;
}

function decode(runs, length) {
  const irrelevant = new Uint8Array(length);
  let at = 0;
  runs.forEach((run, i) => {
    if (i % 2) irrelevant.fill(1, at, at + run);
    at += run;
  });
  return irrelevant;
}

const hidden = (runs) => runs.reduce((sum, run, i) => sum + (i % 2 ? run : 0), 0);

// ---- drafts: the unfinished mask outlives a reload; mask bits only, never pixels ----

const draftKey = (study, sample) => `${DRAFT}${study}/${sample}`;

function saveDraft() {
  const key = draftKey(film.study, film.sample);
  const draft = JSON.stringify({
    size: [film.width, film.height], runs: film.runs, rev: film.rev, seconds: spent(),
    start: film.start,
  });
  try {
    localStorage.setItem(key, draft);
  } catch {
    // Storage is full or forbidden: make room among our own older drafts, or go on without.
    try {
      Object.keys(localStorage)
        .filter((other) => other.startsWith(DRAFT) && other !== key)
        .forEach((other) => localStorage.removeItem(other));
      localStorage.setItem(key, draft);
    } catch { /* the mask on the screen is untouched */ }
  }
}

function readDraft(study, sample, width, height) {
  try {
    const draft = JSON.parse(localStorage.getItem(draftKey(study, sample)));
    const fits = draft && draft.size[0] === width && draft.size[1] === height
      && draft.runs.every((run) => Number.isInteger(run) && run >= 0)
      && draft.runs.reduce((a, b) => a + b, 0) === width * height;
    return fits ? draft : null;
  } catch {
    return null;
  }
}

function dropDraft(study, accepted) {
  try {
    const key = draftKey(study, accepted.sample);
    const draft = JSON.parse(localStorage.getItem(key));
    // What was painted after the mask had been sent stays.
    if (draft && draft.rev <= accepted.rev) localStorage.removeItem(key);
  } catch { /* nothing to drop */ }
}

// ---- drawing ----

const radius = () =>
  Math.max(SMALLEST_RADIUS, (Number(size.value) / 1000) * Math.max(film.width, film.height));

function cover(ax, ay, bx, by, value) {
  const r = radius();
  const { width, height, irrelevant } = film;
  const left = Math.max(0, Math.ceil(Math.min(ax, bx) - r - 0.5));
  const right = Math.min(width - 1, Math.floor(Math.max(ax, bx) + r - 0.5));
  const top = Math.max(0, Math.ceil(Math.min(ay, by) - r - 0.5));
  const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by) + r - 0.5));
  const dx = bx - ax;
  const dy = by - ay;
  const length2 = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - ax;
      const py = y + 0.5 - ay;
      const t = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
      const ex = px - t * dx;
      const ey = py - t * dy;
      if (ex * ex + ey * ey <= r * r) irrelevant[y * width + x] = value;
    }
  }
  if (right >= left && bottom >= top) show(left, top, right - left + 1, bottom - top + 1);
}

function show(left, top, width, height) {
  const context = paintCanvas.getContext("2d");
  const patch = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (film.irrelevant[(top + y) * film.width + left + x]) {
        patch.data.set(PAINT, 4 * (y * width + x));
      }
    }
  }
  context.putImageData(patch, left, top);
}

function say(text) {
  $(".hint").textContent = text;
  $(".hint").hidden = !text;
}

function readOut() {
  const share = (100 * hidden(film.runs)) / (film.width * film.height);
  $(".area").textContent = share
    ? `${share < 0.1 ? "< 0.1" : share.toFixed(1)} ${words.hiddenWord}`
    : words.nothingWord;
  $("[data-act=undo]").disabled = !history.length;
  $("[data-act=clear]").disabled = !share;
}

// How the mask came about: `start` is the predicted mask it was begun from, null without one.
function origin() {
  if (!film.start) return "painted";
  return String(film.start) === String(film.runs) ? "predicted" : "corrected";
}

// The only way to Python: what is painted, with the film it was painted on, in one value.
function publish() {
  props.value = {
    study: film.study, sample: film.sample, size: [film.width, film.height],
    mode: root.dataset.mode, runs: film.runs, rev: film.rev, seconds: spent(),
    origin: origin(), stroke: String(strokes),
  };
}

// Ask what the model would say, once the hand rests; whoever shows the answer sees from the
// stroke's number whether it is still the newest.
function ask() {
  strokes += 1;
  root.dataset.stroke = String(strokes);
  const detail = { sample: film.sample };
  document.dispatchEvent(new CustomEvent("imil-stroke", { detail }));
  clearTimeout(asking);
  asking = setTimeout(() => { if (film && element.isConnected) trigger("stroke"); }, ANSWER_AFTER);
}

function changed() {
  film.runs = encode(film.irrelevant);
  film.rev += 1;
  ask();
  publish();
  saveDraft();
  readOut();
  say("");
}

function restore(runs) {
  film.irrelevant = decode(runs, film.width * film.height);
  show(0, 0, film.width, film.height);
}

function undo() {
  if (!film || stroke || !history.length) return;
  const { runs, start } = history.pop();
  film.start = start;
  restore(runs);
  changed();
}

function clear() {
  if (!film || stroke || !hidden(film.runs)) return;
  remember();
  film.start = null; // what is painted on an empty film is painted by hand
  restore([film.width * film.height]);
  changed();
}

// The server offers the predicted mask of a film: something to begin from, which undo takes back.
function begin() {
  const offered = props.offered;
  if (!film || offered?.study !== film.study || offered.sample !== film.sample) return;
  finish();
  remember();
  film.start = offered.runs;
  restore(offered.runs);
  changed();
  if (!hidden(film.runs)) say(words.noneWord);
}

function remember() {
  history.push({ runs: film.runs, start: film.start });
  if (history.length > HISTORY) history.shift();
}

function choose(name) {
  tool = name;
  element.querySelectorAll("[data-tool]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.tool === name)));
}

// ---- pointer: mouse, pen and touch alike ----

function place(event) {
  const box = paintCanvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * film.width) / box.width,
    ((event.clientY - box.top) * film.height) / box.height,
  ];
}

function moveRing(event) {
  if (!film || event.pointerType === "touch") return (ring.hidden = true);
  const box = paintCanvas.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const across = (2 * radius() * box.width) / film.width;
  ring.hidden = false;
  ring.style.width = ring.style.height = `${across}px`;
  ring.style.left = `${event.clientX - outer.left - across / 2}px`;
  ring.style.top = `${event.clientY - outer.top - across / 2}px`;
}

paintCanvas.addEventListener("pointerdown", (event) => {
  if (!film || stroke || event.button > 0 && event.button !== 5) return; // 5: a pen's eraser end
  event.preventDefault();
  paintCanvas.focus({ preventScroll: true });
  try { paintCanvas.setPointerCapture(event.pointerId); } catch { /* the pointer is already gone */ }
  const value = tool === "erase" || event.button === 5 ? 0 : 1;
  const [x, y] = place(event);
  remember();
  stroke = { x, y, pointer: event.pointerId, value };
  cover(x, y, x, y, value);
  say("");
});

paintCanvas.addEventListener("pointermove", (event) => {
  moveRing(event);
  if (!stroke || stroke.pointer !== event.pointerId) return;
  const between = event.getCoalescedEvents?.() ?? [];
  for (const step of between.length ? between : [event]) {
    const [x, y] = place(step);
    cover(stroke.x, stroke.y, x, y, stroke.value);
    stroke.x = x;
    stroke.y = y;
  }
});

function finish(event) {
  if (!stroke || (event && stroke.pointer !== event.pointerId)) return;
  stroke = null;
  changed();
}
for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  paintCanvas.addEventListener(end, finish);
}
paintCanvas.addEventListener("pointerleave", () => (ring.hidden = true));

// ---- acts: buttons here, buttons elsewhere (as document events), keys ----

function act(name) {
  if (!film && name !== "next" && name !== "previous") return;
  if (name === "blackout" || name === "skip") {
    if (performance.now() - opened < SETTLE) return;
    finish();
    if (name === "blackout" && !hidden(film.runs)) return say(words.emptyWord);
    publish(); // with the seconds as they are now
  }
  if (name === "blackout") trigger("blackout");
  if (name === "skip") trigger("skip");
  if (name === "next") trigger("next");
  if (name === "previous") trigger("previous");
}

function resize(step) {
  size.value = String(Number(size.value) + step * Math.max(1, Math.round(Number(size.value) / 6)));
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.tool) choose(button.dataset.tool);
  if (button.dataset.act === "undo") undo();
  else if (button.dataset.act === "clear") clear();
  else if (button.dataset.act) act(button.dataset.act);
});

const TYPING = "input:not([type=range]), textarea, select, [contenteditable=true]";
const KEYS = {
  n: () => act("next"), p: () => act("previous"), s: () => act("skip"),
  b: () => choose("brush"), e: () => choose("erase"), z: undo,
  "[": () => resize(-1), "]": () => resize(1),
};

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (!root.offsetParent || event.defaultPrevented || event.altKey) return;
  if (event.target.closest?.(TYPING)) return;
  const key = event.key.toLowerCase();
  const command = event.ctrlKey || event.metaKey;
  if (command && key !== "z") return;
  if (key === "enter") {
    // A focused button keeps its own Enter.
    if (event.repeat || (event.target !== paintCanvas && event.target !== document.body)) return;
    event.preventDefault();
    act("blackout");
  } else if (KEYS[key] && !(event.repeat && "nps".includes(key))) {
    event.preventDefault();
    KEYS[key]();
  }
}
document.addEventListener("keydown", onKey);

function onAct(event) {
  if (!element.isConnected) return document.removeEventListener("imil-act", onAct);
  act(event.detail);
}
document.addEventListener("imil-act", onAct);

// ---- seconds spent on the film while the page was in sight ----

function spent() {
  const now = watchedSince === null ? 0 : (performance.now() - watchedSince) / 1000;
  return Math.round(10 * (seconds + now)) / 10;
}

function onSight() {
  if (!element.isConnected) return document.removeEventListener("visibilitychange", onSight);
  if (document.hidden) {
    seconds = spent();
    watchedSince = null;
    if (film && stroke) finish();
  } else if (watchedSince === null) watchedSince = performance.now();
}
document.addEventListener("visibilitychange", onSight);

// ---- the film: letterboxed, the same stage for every film ----

function fit() {
  if (!film || !stage.clientWidth) return;
  const scale = Math.min(stage.clientWidth / film.width, stage.clientHeight / film.height);
  for (const canvas of [filmCanvas, paintCanvas]) {
    canvas.style.width = `${film.width * scale}px`;
    canvas.style.height = `${film.height * scale}px`;
  }
}
new ResizeObserver(fit).observe(stage);

function load() {
  const value = props.value;
  const mine = ++latest;
  if (stroke) finish();
  if (value?.accepted) dropDraft(value.study, value.accepted);
  if (!value?.image) {
    if (value?.sample) return; // our own value coming back
    film = null;
    root.dataset.ready = "";
    root.classList.add("none");
    for (const part of [".name", ".place"]) $(part).textContent = "";
    return;
  }
  const image = new Image();
  image.onload = () => {
    if (mine !== latest) return;
    const [width, height] = value.size;
    for (const canvas of [filmCanvas, paintCanvas]) {
      canvas.width = width;
      canvas.height = height;
    }
    filmCanvas.getContext("2d").drawImage(image, 0, 0);
    const draft = readDraft(value.study, value.sample, width, height);
    film = {
      study: value.study, sample: value.sample, width, height,
      irrelevant: null, runs: draft ? draft.runs : value.runs, rev: draft ? draft.rev : 0,
      start: (draft ? draft.start : value.start) ?? null,
    };
    history = [];
    seconds = draft ? Number(draft.seconds) || 0 : 0;
    watchedSince = document.hidden ? null : performance.now();
    opened = performance.now();
    $(".name").textContent = value.sample;
    $(".name").title = value.sample;
    $(".place").textContent = value.place;
    paintCanvas.setAttribute("aria-label", `${value.sample}. ${words.canvasWord}`);
    restore(film.runs);
    fit();
    readOut();
    say(hidden(film.runs) ? "" : words.startWord);
    root.classList.remove("none");
    root.dataset.ready = value.sample;
    ask();
    publish();
  };
  image.src = value.image;
}

watch("value", load);
// Not as one quoted word: Gradio would take that for the name of an event of the component.
watch(Object.keys({ offered: null }), begin);
load();
