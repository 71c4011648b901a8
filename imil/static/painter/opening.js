// ---- a film is opened: letterboxed, the same stage for every film ----

let latest = 0; // the newest load; an older one that finishes late is dropped

async function load() {
  const value = props.value;
  const mine = ++latest;
  if (value?.accepted) settled(value.study, value.accepted);
  if (!value?.pixels) {
    if (!value?.sample) close();
    return; // our own value coming back
  }
  finish();
  moving = -Infinity;
  const pixels = await unpack(value);
  if (mine !== latest || !element.isConnected) return;
  if (isStillShown(value)) again(value);
  else open(value, pixels);
}

// The film that is open comes once more, as when its queue is put into another order.
const isStillShown = (value) => film && !value.accepted && film.base === value.base
  && film.study === value.study && film.sample === value.sample
  && (film.reader ?? "") === (value.reader ?? "");

// What was painted stays, and so do its undos; what the model says may be another's by now.
function again(value) {
  film.queue = value.queue;
  film.heat = null;
  heatCanvas.width = heatCanvas.height = 1;
  $(".place").textContent = value.place;
  ask();
  publish();
  askLooks();
}

function close() {
  film = null;
  root.dataset.ready = "";
  root.classList.add("none");
  for (const part of [".name", ".place"]) $(part).textContent = "";
}

function open(value, pixels) {
  finish();
  const [width, height] = value.size;
  for (const canvas of [filmCanvas, paintCanvas]) {
    canvas.width = width;
    canvas.height = height;
  }
  shape.setAttribute("viewBox", `0 0 ${width} ${height}`);
  view = { zoom: 1, x: 0, y: 0 };
  dropPolygon();
  heatCanvas.width = heatCanvas.height = 1;
  const draft = readDraft(value);
  const mode = draft?.mode ?? root.dataset.mode;
  film = {
    study: value.study, sample: value.sample, title: value.title, reader: value.reader ?? "",
    queue: value.queue, base: value.base, width, height, pixels, channels: value.channels,
    depth: value.depth, range: value.range,
    windows: value.windows, first: value.first, heat: null,
    rev: draft ? draft.rev : 0, start: (draft ? draft.start : value.start) ?? null,
    begun: draft?.begun ?? value.origin,
  };
  past = [];
  future = [];
  seconds = draft ? Number(draft.seconds) || 0 : 0;
  watchedSince = document.hidden ? null : performance.now();
  opened = performance.now();
  $(".name").textContent = value.title;
  $(".name").title = value.title;
  $(".place").textContent = value.place;
  paintCanvas.setAttribute("aria-label", `${value.title}. ${words.canvasWord}`);
  restore({ drawn: drawing(draft ? draft.runs : value.runs, mode), mode });
  firstWindow();
  fit();
  readOut();
  greet(value, draft);
  root.classList.remove("none");
  root.dataset.ready = value.sample;
  ask();
  publish();
  askLooks();
  if (!tending) tend();
}

// What is there to be seen on a film that has just come.
function greet(value, draft) {
  for (const kind of ["refused", "other"]) notice(kind, "");
  if (draft && (draft.base ?? value.base) !== value.base) meet(value);
  if (draft) say(words.draftWord);
  else if (covered(film.runs)) say("");
  else say(film.mode === KEEP ? words.startKeepWord : words.startWord);
}

// ---- the buttons ----

const HERE = {
  invert, copy: copyLast, whole, closer: () => zoomBy(ZOOM_STEP), further: () => zoomBy(1 / ZOOM_STEP),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { tool: name, modeOf, act: wanted, window: seen } = button.dataset;
  if (name) choose(name);
  else if (modeOf) setMode(modeOf);
  else if (seen) choosePreset(seen);
  else if (button.getAttribute("aria-controls") === "painter-panel") togglePanel();
  else if (button.dataset.close !== undefined) togglePanel(false);
  else if (wanted === "undo") undo();
  else if (wanted === "redo") redo();
  else if (wanted === "clear") clear();
  else if (HERE[wanted]) HERE[wanted]();
  else if (wanted && !((wanted === "next" || wanted === "previous") && recent())) act(wanted);
});

// Buttons elsewhere. They are heard here rather than by Gradio, which runs no script of a button once
// the server has gone: a mask must be kept, and this be said, just then.
function onPress(event) {
  if (!element.isConnected) return document.removeEventListener("click", onPress, true);
  const button = event.target.closest?.(`[class*="${words.press}"]`);
  if (!button || button.disabled || !root.offsetParent) return;
  const name = Array.from(button.classList).find((each) => each.startsWith(words.press));
  if (name) act(name.slice(words.press.length));
}
document.addEventListener("click", onPress, true);

// Not as quoted words: Gradio would take those for the names of events of the component.
const heard = { offered: begin, heat: showLooks, found: paintFound, kept, refused };
for (const [name, hear] of Object.entries(heard)) watch(name, hear);
watch("value", load);
load();
tend(); // what an earlier page left is sent, whatever is open
