// ---- drawing: what a brush, a box and the acts beside them do to the pixels ----

// Rules: a stroke of radius r covers exactly the pixels whose centre lies within r of its line; a
// box covers exactly those whose centre lies in it, its right and lower edge left out.

const VEIL = { [HIDE]: 0xffbb3dff, [KEEP]: 0xff000000 }; // #FF3DBB and black; the opacity is in CSS
const SMALLEST_RADIUS = 0.75; // px: above half a pixel's diagonal, so that every touch covers one
const HISTORY = 100; // acts that can be undone
const TOOLS = ["brush", "lasso", "polygon", "box", "select", "erase"];

let tool = "brush";
let past = [];
let future = [];

const radius = () =>
  Math.max(SMALLEST_RADIUS, (Number(size.value) / 1000) * Math.max(film.width, film.height));

function cover(ax, ay, bx, by, value) {
  const r = radius();
  const { width, height, drawn } = film;
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
      if (ex * ex + ey * ey <= r * r) drawn[y * width + x] = value;
    }
  }
  touched(left, top, right, bottom, value);
}

function coverBox(ax, ay, bx, by, value) {
  const { width, height, drawn } = film;
  const left = Math.max(0, Math.ceil(Math.min(ax, bx) - 0.5));
  const right = Math.min(width, Math.ceil(Math.max(ax, bx) - 0.5)) - 1;
  const top = Math.max(0, Math.ceil(Math.min(ay, by) - 0.5));
  const bottom = Math.min(height, Math.ceil(Math.max(ay, by) - 0.5)) - 1;
  if (right < left) return;
  for (let y = top; y <= bottom; y++) drawn.fill(value, y * width + left, y * width + right + 1);
  touched(left, top, right, bottom, value);
}

function touched(left, top, right, bottom, value) {
  if (right < left || bottom < top) return;
  if (film.mode === KEEP && value && !film.veiled) {
    film.veiled = true; // with the first of it, all the rest is hidden
    return show(0, 0, film.width, film.height);
  }
  show(left, top, right - left + 1, bottom - top + 1);
}

// Draw a part of the mask as it is.
function show(left, top, width, height) {
  const context = paintCanvas.getContext("2d");
  const patch = context.createImageData(width, height);
  const out = new Uint32Array(patch.data.buffer);
  const colour = VEIL[film.mode];
  const hides = film.mode === HIDE ? 1 : 0;
  if (film.mode === HIDE || film.veiled) {
    for (let y = 0; y < height; y++) {
      const row = (top + y) * film.width + left;
      for (let x = 0; x < width; x++) if (film.drawn[row + x] === hides) out[y * width + x] = colour;
    }
  }
  context.putImageData(patch, left, top);
  remark();
}

function readOut() {
  const share = (100 * covered(film.runs)) / (film.width * film.height);
  $(".area").textContent = share
    ? `${share < 0.1 ? "< 0.1" : share.toFixed(1)} ${words.hiddenWord}`
    : words.nothingWord;
  $("[data-act=undo]").disabled = !past.length;
  $("[data-act=redo]").disabled = !future.length;
  $("[data-act=copy]").disabled = !fitting();
  $("[data-act=clear]").disabled = !covered(film.drawnRuns);
}

// ---- what every change does: number it, keep it, show it ----

function read() {
  film.drawnRuns = encode(film.drawn);
  film.runs = meaning(film.drawnRuns, film.mode);
}

function changed() {
  read();
  film.rev += 1;
  ask();
  publish();
  saveDraft();
  readOut();
  say("");
  notice("refused", "");
}

const moment = () =>
  ({ drawn: film.drawnRuns, mode: film.mode, start: film.start, begun: film.begun });

function remember() {
  past.push(moment());
  if (past.length > HISTORY) past.shift();
  future = [];
}

function restore({ drawn, mode }) {
  film.drawnRuns = drawn;
  film.drawn = decode(drawn, film.width * film.height);
  film.mode = mode;
  film.veiled = mode === KEEP && covered(drawn) > 0;
  film.runs = meaning(drawn, mode);
  showMode(mode);
  show(0, 0, film.width, film.height);
}

// An act is done: it counts, unless it changed nothing.
function settle() {
  read();
  if (same(film.drawnRuns, past.at(-1).drawn)) past.pop();
  else changed();
  readOut();
}
const same = (one, other) => one.length === other.length && one.every((run, i) => run === other[i]);

function step(from, to) {
  if (!film || stroke || !from.length) return;
  to.push(moment());
  const then = from.pop();
  film.start = then.start;
  film.begun = then.begun;
  restore(then);
  changed();
}
// An open polygon goes back by a corner.
const undo = () => (corners.length ? dropCorner() : step(past, future));
const redo = () => step(future, past);

function clear() {
  dropPolygon();
  if (!film || stroke || !covered(film.drawnRuns)) return;
  remember();
  film.start = null; // what is painted on an empty film is painted by hand
  restore({ drawn: [film.width * film.height], mode: film.mode });
  changed();
}

// Put a whole mask in place of what is drawn, which undo brings back.
function replaceBy(runs, start, begun) {
  finish();
  remember();
  film.start = start;
  film.begun = begun;
  restore({ drawn: drawing(runs, film.mode), mode: film.mode });
  changed();
}

// What was hidden stays, and the other way round.
function invert() {
  if (!film || stroke) return;
  finish();
  remember();
  restore({ drawn: inverted(film.drawnRuns), mode: film.mode });
  settle();
  say(words.invertedWord);
}

// ---- the mask handed in last, for one who masks many images alike ----

let last = null; // {study, reader, size, runs}: of this page alone

const fitting = () => film && last?.study === film.study && last.reader === film.reader
  && last.size[0] === film.width && last.size[1] === film.height;

function copyLast() {
  if (!film || stroke) return;
  if (!fitting()) return say(words.noLastWord);
  replaceBy(last.runs, null, "painted");
  say(words.copiedWord);
}

// The server offers the predicted mask of a film: something to begin from.
function begin() {
  const offered = props.offered;
  if (!film || offered?.study !== film.study || offered.sample !== film.sample) return;
  replaceBy(offered.runs, offered.runs, "predicted");
  if (!covered(film.runs)) say(words.noneWord);
}

// ---- hide or keep: what is drawn stays drawn, and means the other thing ----

function showMode(mode) {
  root.dataset.mode = mode;
  all("[data-mode-of]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.modeOf === mode)));
}

function setMode(mode) {
  if (mode === root.dataset.mode) return;
  showMode(mode);
  if (!film) return;
  finish();
  if (!covered(film.drawnRuns)) {
    film.mode = mode;
    return say(mode === KEEP ? words.startKeepWord : words.startWord);
  }
  remember();
  restore({ drawn: film.drawnRuns, mode });
  changed();
  say(mode === KEEP ? words.turnedKeepWord : words.turnedHideWord);
}

function choose(name) {
  if (!TOOLS.includes(name)) return;
  if (name !== tool) finish();
  tool = name;
  root.dataset.tool = name;
  all("button[data-tool]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.tool === name)));
}

function resize(by) {
  size.value = String(Number(size.value) + by * Math.max(1, Math.round(Number(size.value) / 6)));
  $("[data-size-too]").value = size.value;
}
$("[data-size-too]").addEventListener("input", (event) => (size.value = event.target.value));
size.addEventListener("input", () => ($("[data-size-too]").value = size.value));
