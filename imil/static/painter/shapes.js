// ---- lasso, polygon and the object under a click: areas in place of strokes ----

// Rule: an area covers exactly the pixels whose centre lies within its line, wherever the line
// crosses itself (non-zero winding).

const CLOSE = 12; // px around the first corner in which a click closes a polygon
const shape = $(".shape");
let corners = []; // of the polygon that is not closed yet
let cornerAt = -Infinity;
let taking = false; // whether it will erase
let cursor = null; // {x, y}: the corner that keys move

function coverArea(points, value) {
  const { width, height, drawn } = film;
  const ys = points.map(([, y]) => y);
  const top = Math.max(0, Math.ceil(Math.min(...ys) - 0.5));
  const bottom = Math.min(height - 1, Math.floor(Math.max(...ys) - 0.5));
  for (let y = top; y <= bottom; y++) {
    const middle = y + 0.5;
    const crossed = [];
    points.forEach(([ax, ay], i) => {
      const [bx, by] = points[(i + 1) % points.length];
      if (ay <= middle === by <= middle) return;
      crossed.push([ax + ((middle - ay) * (bx - ax)) / (by - ay), ay < by ? 1 : -1]);
    });
    crossed.sort(([a], [b]) => a - b);
    let winding = 0;
    crossed.forEach(([x, turn], i) => {
      winding += turn;
      if (!winding) return;
      const from = Math.max(0, Math.ceil(x - 0.5));
      const to = Math.min(width, Math.ceil(crossed[i + 1][0] - 0.5));
      if (to > from) drawn.fill(value, y * width + from, y * width + to);
    });
  }
  touched(0, top, width - 1, bottom, value);
}

// One act: paint an area and let it be undone.
function paintArea(points, value) {
  if (points.length < 3) return;
  remember();
  coverArea(points, value);
  settle();
}

// The line of what is not painted yet, in pixels of the film.
function showShape(points, dots = []) {
  shape.toggleAttribute("hidden", !points.length);
  const line = points.map(([x, y]) => `${x},${y}`).join(" ");
  shape.querySelectorAll("polyline").forEach((each) => each.setAttribute("points", line));
  const dot = ([x, y]) => `M${x} ${y}h0`;
  shape.querySelectorAll("path").forEach((each) => each.setAttribute("d", dots.map(dot).join("")));
}

// ---- polygon ----

const near = ([ax, ay], [bx, by], reach) => {
  const scale = paintCanvas.getBoundingClientRect().width / film.width;
  return Math.hypot(ax - bx, ay - by) * scale <= reach;
};

function addCorner(point, erases, touch = false) {
  const again = performance.now() - cornerAt < 2 * TAP && corners.length && near(point, corners.at(-1), NEAR);
  if (again || (corners.length > 2 && near(point, corners[0], touch ? 2 * CLOSE : CLOSE))) {
    return closePolygon();
  }
  if (!corners.length) taking = erases;
  corners.push(point);
  cornerAt = performance.now();
  showPolygon();
  say(corners.length < 3 ? words.cornerWord : words.closeWord);
}

function showPolygon(towards = null) {
  showShape(towards ? [...corners, towards] : corners, corners);
}

function dropCorner() {
  corners.pop();
  showPolygon();
}

function closePolygon() {
  const points = corners;
  dropPolygon();
  paintArea(points, taking ? 0 : 1);
}

function dropPolygon() {
  corners = [];
  cursor = null;
  showShape([]);
}

// Keys: arrows move a corner, Space sets it, Enter closes.
function moveCursor(event) {
  const { width, height } = film;
  const [dx, dy] = ARROWS[event.key];
  const by = event.ctrlKey ? 1 : Math.max(1, Math.round(Math.max(width, height) / STEPS));
  cursor ??= { x: width / 2, y: height / 2 };
  cursor.x = Math.min(width, Math.max(0, cursor.x + dx * by));
  cursor.y = Math.min(height, Math.max(0, cursor.y + dy * by));
  showShape([...corners, [cursor.x, cursor.y]], [...corners, [cursor.x, cursor.y]]);
  say(words.cornerKeysWord);
}

function setCorner() {
  if (cursor) addCorner([cursor.x, cursor.y], false);
}

// ---- the object under a click, or in a box ----

const SEEN = 512; // px of the longer side of what is looked at: more costs time and tells little

// What is in sight of a part of the film, as it is seen: its values through the window, averaged to
// at most `SEEN` px. From near an object is told apart to the pixel.
function sight(left, top, right, bottom) {
  const step = Math.max(1, Math.ceil(Math.max(right - left, bottom - top) / SEEN));
  const width = Math.ceil((right - left) / step);
  const height = Math.ceil((bottom - top) / step);
  const { channels, pixels } = film;
  const table = greys(film.window, film.depth);
  const values = new Uint8ClampedArray(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = [left + x * step, top + y * step];
      const [toX, toY] = [Math.min(right, fromX + step), Math.min(bottom, fromY + step)];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let v = fromY; v < toY; v++) {
          for (let u = fromX; u < toX; u++) sum += table[pixels[(v * film.width + u) * channels + c]];
        }
        values[(y * width + x) * channels + c] = sum / ((toX - fromX) * (toY - fromY));
      }
    }
  }
  return { left, top, step, width, height, channels, values };
}

// The part of the film that is in sight, in whole pixels.
function inSight() {
  const shown = paintCanvas.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const scale = shown.width / film.width;
  return [
    Math.max(0, Math.floor((outer.left - shown.left) / scale)),
    Math.max(0, Math.floor((outer.top - shown.top) / scale)),
    Math.min(film.width, Math.ceil((outer.right - shown.left) / scale)),
    Math.min(film.height, Math.ceil((outer.bottom - shown.top) / scale)),
  ];
}

// Where the app has a model, that one says what the object is. What is seen here says it at once
// where the model can't, and after a while where it does not answer.
const PATIENT = 20000; // ms
let wanted = null; // {id, film, here, value, timer}: what the model was asked for last

function select(ax, ay, bx, by, value) {
  clearTimeout(wanted?.timer);
  const here = () => selectHere(ax, ay, bx, by, value);
  if (!words.asks) return here();
  const [left, right] = [Math.max(0, Math.min(ax, bx)), Math.min(film.width, Math.max(ax, bx))];
  const [top, bottom] = [Math.max(0, Math.min(ay, by)), Math.min(film.height, Math.max(ay, by))];
  const spot = near([ax, ay], [bx, by], NEAR) ? [left, top] : [left, top, right, bottom];
  const id = `${Date.now()}`;
  wanted = { id, film, here, value, timer: setTimeout(() => paintFound(null), PATIENT) };
  const asked = { id, study: film.study, sample: film.sample, window: film.window, spot };
  if (send("select", { asked })) say(words.askingWord);
  else paintFound(null);
}

function paintFound(answer = props.found) {
  if (!wanted || (answer && answer.id !== wanted.id)) return;
  const { film: asked, here, value, timer } = wanted;
  clearTimeout(timer);
  wanted = null;
  if (film !== asked) return;
  if (!answer?.runs) {
    const found = here();
    if (answer?.why && found) say(answer.why);
    return;
  }
  remember();
  const object = decode(answer.runs, film.width * film.height);
  object.forEach((each, i) => { if (each) film.drawn[i] = value; });
  touched(0, 0, film.width - 1, film.height - 1, value);
  settle();
  say("");
}

// Return whether there is something.
function selectHere(ax, ay, bx, by, value) {
  const [left, right] = [Math.max(0, Math.min(ax, bx)), Math.min(film.width, Math.max(ax, bx))];
  const [top, bottom] = [Math.max(0, Math.min(ay, by)), Math.min(film.height, Math.max(ay, by))];
  let seen, found;
  if (near([ax, ay], [bx, by], NEAR)) {
    seen = sight(...inSight());
    found = objectAt(seen, (ax - seen.left) / seen.step, (ay - seen.top) / seen.step);
  } else {
    const margin = Math.max(4, (right - left + bottom - top) / 8);
    seen = sight(
      Math.max(0, Math.floor(left - margin)), Math.max(0, Math.floor(top - margin)),
      Math.min(film.width, Math.ceil(right + margin)), Math.min(film.height, Math.ceil(bottom + margin)),
    );
    const at = (edge, start) => (edge - start) / seen.step;
    found = objectIn(seen, at(left, seen.left), at(top, seen.top), at(right, seen.left), at(bottom, seen.top));
  }
  if (!found) {
    say(words.noObjectWord);
    return false;
  }
  remember();
  const { step } = seen;
  const toX = Math.min(film.width, seen.left + seen.width * step);
  const toY = Math.min(film.height, seen.top + seen.height * step);
  for (let y = seen.top; y < toY; y++) {
    const row = Math.floor((y - seen.top) / step) * seen.width;
    for (let x = seen.left; x < toX; x++) {
      if (found[row + Math.floor((x - seen.left) / step)]) film.drawn[y * film.width + x] = value;
    }
  }
  touched(seen.left, seen.top, toX - 1, toY - 1, value);
  settle();
  return true;
}
