// ---- pointer: mouse, pen and touch alike ----

const ring = $(".ring");
const outline = $(".outline");
const PEN_ERASER = 5; // the button of a pen's other end
const RIGHT = 2; // drags the window: across its width, up and down its centre
const MIDDLE = 1; // moves the film, as any button does while Space is held

// What a tool does while the pointer is down; the others draw a line.
const STROKES = { box: "box", select: "select", lasso: "lasso", polygon: "corner" };

let box = null; // {x, y, w, h} in pixels: the box that is moved by keys

function place(event) {
  const shown = paintCanvas.getBoundingClientRect();
  return [
    ((event.clientX - shown.left) * film.width) / shown.width,
    ((event.clientY - shown.top) * film.height) / shown.height,
  ];
}

function moveRing(event) {
  if (!film || event.pointerType === "touch" || !["brush", "erase"].includes(tool)) return (ring.hidden = true);
  const shown = paintCanvas.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const across = (2 * radius() * shown.width) / film.width;
  ring.hidden = false;
  ring.style.width = ring.style.height = `${across}px`;
  ring.style.left = `${event.clientX - outer.left - across / 2}px`;
  ring.style.top = `${event.clientY - outer.top - across / 2}px`;
}

// The dashed line of a box that is not painted yet, in pixels of the film.
function showOutline(ax, ay, bx, by) {
  const shown = paintCanvas.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const scale = shown.width / film.width;
  outline.hidden = false;
  outline.style.left = `${shown.left - outer.left + Math.min(ax, bx) * scale}px`;
  outline.style.top = `${shown.top - outer.top + Math.min(ay, by) * scale}px`;
  outline.style.width = `${Math.abs(bx - ax) * scale}px`;
  outline.style.height = `${Math.abs(by - ay) * scale}px`;
}

function hideBox() {
  box = null;
  outline.hidden = true;
}

paintCanvas.addEventListener("contextmenu", (event) => event.preventDefault());

paintCanvas.addEventListener("pointerdown", (event) => {
  const { button, pointerId: pointer } = event;
  if (!film || stroke || ![0, MIDDLE, RIGHT, PEN_ERASER].includes(button)) return;
  event.preventDefault();
  paintCanvas.focus({ preventScroll: true });
  try { paintCanvas.setPointerCapture(pointer); } catch { /* the pointer is already gone */ }
  const [x, y] = place(event);
  hideBox();
  if (button === RIGHT) {
    const [low, high] = film.window;
    stroke = { kind: "window", pointer, x: event.clientX, y: event.clientY, low, high };
    return;
  }
  if (held || button === MIDDLE) {
    stroke = { kind: "pan", pointer, x: event.clientX, y: event.clientY, fromX: view.x, fromY: view.y };
    return;
  }
  const value = tool === "erase" || button === PEN_ERASER || event.shiftKey ? 0 : 1;
  const tap = { at: performance.now(), x: event.clientX, y: event.clientY, depth: past.length };
  stroke = { kind: STROKES[tool] ?? "line", x, y, toX: x, toY: y, pointer, value, tap, future };
  if (stroke.kind === "line") {
    remember();
    cover(x, y, x, y, value);
  } else if (stroke.kind === "lasso") stroke.points = [[x, y]];
  say("");
});

paintCanvas.addEventListener("pointermove", (event) => {
  moveRing(event);
  if (!stroke && corners.length && !cursor) showPolygon(place(event));
  if (!stroke || stroke.pointer !== event.pointerId) return;
  if (stroke.kind === "window") return dragWindow(event);
  if (stroke.kind === "pan") return drag(event);
  const way = event.getCoalescedEvents?.() ?? [];
  for (const at of way.length ? way : [event]) {
    const [x, y] = place(at);
    if (stroke.kind === "line") {
      cover(stroke.x, stroke.y, x, y, stroke.value);
      stroke.x = x;
      stroke.y = y;
    } else {
      stroke.toX = x;
      stroke.toY = y;
      if (stroke.kind === "lasso") stroke.points.push([x, y]);
      else if (stroke.kind !== "corner") showOutline(stroke.x, stroke.y, x, y);
    }
  }
  if (stroke.kind === "lasso") showShape(stroke.points);
  if (stroke.kind === "corner") showPolygon([stroke.toX, stroke.toY]);
  if (stroke.kind === "line" && performance.now() - savedAt > AUTOSAVE) {
    stroke.saved = true;
    read(); // the stroke is not ended, and already outlives a crash
    film.rev += 1;
    saveDraft();
  }
});

// The width of the stage is the whole range of the film's values.
function dragWindow(event) {
  const unit = (film.range[1] - film.range[0]) / Math.max(200, stage.clientWidth);
  const width = stroke.high - stroke.low + (event.clientX - stroke.x) * unit;
  const centre = (stroke.high + stroke.low) / 2 - (event.clientY - stroke.y) * unit;
  freeWindow(width, centre);
}

// The pointer is lifted; without an event, whatever is being drawn is ended as it is.
function finish(event) {
  if (!event && film && !stroke && corners.length) {
    if (corners.length > 2) closePolygon();
    else dropPolygon();
  }
  if (!stroke || (event && stroke.pointer !== event.pointerId)) return;
  const { kind, x, y, toX, toY, value, points, tap } = stroke;
  stroke = null;
  if (["window", "pan"].includes(kind)) return;
  const lifted = event?.type === "pointerup";
  if (kind === "line") settle();
  else {
    outline.hidden = true;
    if (kind === "lasso") showShape([]);
    if (event?.type === "pointercancel") return; // an area is painted when it is let go
    if (kind === "box") {
      remember();
      coverBox(x, y, toX, toY, value);
      settle();
    } else if (kind === "lasso") paintArea(points, value);
    else if (kind === "select") select(x, y, toX, toY, value);
    else addCorner([toX, toY], !value, event?.pointerType === "touch");
  }
  if (lifted && kind !== "corner") tappedTwice(event, tap);
}

// A second finger has come: what the first began was no stroke.
function cancelStroke() {
  if (!stroke) return;
  const { kind, saved, future: undone } = stroke;
  stroke = null;
  outline.hidden = true;
  if (kind === "corner") return showPolygon();
  showShape([]);
  if (kind !== "line") return;
  restore(past.pop());
  future = undone;
  if (saved) changed(); // the draft knows of it
  readOut();
}

for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
  paintCanvas.addEventListener(end, finish);
}
paintCanvas.addEventListener("pointerleave", () => (ring.hidden = true));

// ---- the same by keys: arrows move a box, with Shift they size it, Space paints or erases it ----

const STEPS = 40; // presses from one end of the film to the other; with Ctrl, a pixel a press
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function moveBox(event) {
  const { width, height } = film;
  const [dx, dy] = ARROWS[event.key];
  const by = event.ctrlKey ? 1 : Math.max(1, Math.round(Math.max(width, height) / STEPS));
  if (!box) {
    const [w, h] = [Math.ceil(width / 4), Math.ceil(height / 4)];
    box = { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), w, h };
  } else if (event.shiftKey) {
    box.w = Math.min(Math.max(1, box.w + dx * by), width - box.x);
    box.h = Math.min(Math.max(1, box.h + dy * by), height - box.y);
  } else {
    box.x = Math.min(Math.max(0, box.x + dx * by), width - box.w);
    box.y = Math.min(Math.max(0, box.y + dy * by), height - box.h);
  }
  showOutline(box.x, box.y, box.x + box.w, box.y + box.h);
  follow();
  say(words[{ erase: "boxEraseWord", select: "boxSelectWord" }[tool] ?? "boxWord"]);
}

function paintBox() {
  if (!box || stroke) return;
  if (tool === "select") return select(box.x, box.y, box.x + box.w, box.y + box.h, 1);
  remember();
  coverBox(box.x, box.y, box.x + box.w, box.y + box.h, tool === "erase" ? 0 : 1);
  changed();
}
