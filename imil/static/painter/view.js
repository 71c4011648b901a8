// ---- zoom and pan: where on the stage the film lies ----

// The canvases hold every stored pixel, so a larger view is a transform of them, and a pointer's
// place is read from where the browser says that they are: a stroke is as exact at every zoom.

const CLOSEST = 8; // times the whole film, at least; further until a stored pixel is this many px wide
const PIXEL_SEEN = 24;
const ZOOM_STEP = 1.5; // a key, a press
const WHEEL = 0.002; // of the zoom's logarithm, a px that the wheel turned
const PINCHED = 0.01; // the same where a touchpad pinches, which comes as a wheel with Ctrl
const CALM = 400; // ms after the page was scrolled in which a wheel goes on scrolling it
const layers = [$(".film"), $(".heat"), $(".paint"), $(".shape")];

let view = { zoom: 1, x: 0, y: 0 }; // x, y: px from the stage's middle to the film's
let scrolledAt = -Infinity;
let zoomedAt = -Infinity;

const unzoomed = () => Math.min(stage.clientWidth / film.width, stage.clientHeight / film.height);
const closest = () => Math.max(CLOSEST, PIXEL_SEEN / unzoomed());

function fit() {
  if (!film || !stage.clientWidth) return;
  const scale = unzoomed();
  for (const layer of layers) {
    layer.style.width = `${film.width * scale}px`;
    layer.style.height = `${film.height * scale}px`;
  }
  hideBox();
  look(view);
}
new ResizeObserver(fit).observe(stage);

// Look at the film from nearer or further. It never leaves the place where the whole of it was, so any
// point of it can stay where it is while it grows.
function look({ zoom, x, y }) {
  const scale = unzoomed();
  const near = Math.min(closest(), Math.max(1, zoom));
  const roomX = (film.width * scale * (near - 1)) / 2;
  const roomY = (film.height * scale * (near - 1)) / 2;
  view = {
    zoom: near, x: Math.min(roomX, Math.max(-roomX, x)), y: Math.min(roomY, Math.max(-roomY, y)),
  };
  const transform = near === 1 ? "" : `translate(${view.x}px, ${view.y}px) scale(${near})`;
  for (const layer of layers) layer.style.transform = transform;
  root.style.setProperty("--zoom", near);
  root.dataset.zoom = near === 1 ? "" : near.toFixed(2);
  // Once a stored pixel is as large as a finger's tip, its edges are shown, not blurred.
  filmCanvas.style.imageRendering = near > 1 && scale * near >= 3 ? "pixelated" : "";
  const percent = `${Math.round(100 * near)} %`;
  all("[data-act=whole]").forEach((button) => {
    button.textContent = percent;
    button.setAttribute("aria-label", `${words.zoomWord} ${percent}. ${words.wholeWord}`);
  });
  all("[data-act=closer]").forEach((button) => (button.disabled = near >= closest()));
  all("[data-act=further]").forEach((button) => (button.disabled = near === 1));
  ring.hidden = true;
  if (box) showOutline(box.x, box.y, box.x + box.w, box.y + box.h);
  remark();
}

const whole = () => film && look({ zoom: 1, x: 0, y: 0 });

// The point of the film that is under (clientX, clientY) stays there.
function zoomAt(clientX, clientY, by) {
  const outer = stage.getBoundingClientRect();
  const px = clientX - outer.left - outer.width / 2;
  const py = clientY - outer.top - outer.height / 2;
  const zoom = Math.min(closest(), Math.max(1, view.zoom * by));
  const grown = zoom / view.zoom;
  look({ zoom, x: px - (px - view.x) * grown, y: py - (py - view.y) * grown });
}

// By keys and buttons: about the box that keys move, else about the stage's middle.
function zoomBy(by) {
  if (!film) return;
  const outer = (box ? outline : stage).getBoundingClientRect();
  zoomAt(outer.left + outer.width / 2, outer.top + outer.height / 2, by);
  if (box) follow();
}

// The box that keys move stays in sight.
function follow() {
  if (!box || view.zoom === 1) return;
  const shown = outline.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const off = (low, high, from, to) =>
    (high - low > to - from ? (from + to - low - high) / 2 : Math.max(from - low, 0) + Math.min(to - high, 0));
  const x = off(shown.left, shown.right, outer.left, outer.right);
  const y = off(shown.top, shown.bottom, outer.top, outer.bottom);
  if (x || y) look({ ...view, x: view.x + x, y: view.y + y });
}

function onScroll() {
  if (!element.isConnected) return window.removeEventListener("scroll", onScroll, true);
  scrolledAt = performance.now();
}
window.addEventListener("scroll", onScroll, { capture: true, passive: true });

paintCanvas.addEventListener("wheel", (event) => {
  if (!film || stroke) return;
  const now = performance.now();
  const turned = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
  if (!event.ctrlKey) {
    if (now - scrolledAt < CALM) return; // the page is being scrolled past the film
    if (turned > 0 && view.zoom === 1 && now - zoomedAt > CALM) return; // nothing to zoom out of
  }
  event.preventDefault();
  zoomedAt = now;
  zoomAt(event.clientX, event.clientY, Math.exp(-turned * (event.ctrlKey ? PINCHED : WHEEL)));
}, { passive: false });

// ---- two fingers: the second one takes back the stroke that the first began ----

const fingers = new Map(); // where the fingers on the stage are
let pinch = null; // {x, y, apart}: between two fingers; stays until the last one has left

const between = () => {
  const [[ax, ay], [bx, by]] = [...fingers.values()];
  return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(bx - ax, by - ay)) };
};

stage.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "touch" || !film || event.target.closest("button, .panel, .levels")) return;
  if (event.isPrimary) fingers.clear(); // a lift that never came
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (fingers.size < 2) return (pinch = null);
  event.preventDefault();
  event.stopPropagation();
  cancelStroke();
  if (fingers.size === 2) pinch = between();
}, { capture: true });

stage.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId)) return;
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (!pinch) return;
  event.stopPropagation();
  if (fingers.size !== 2 || !film) return;
  const now = between();
  look({ ...view, x: view.x + now.x - pinch.x, y: view.y + now.y - pinch.y });
  zoomAt(now.x, now.y, now.apart / pinch.apart);
  pinch = now;
}, { capture: true });

for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, (event) => {
    if (!fingers.delete(event.pointerId) || !pinch) return;
    event.stopPropagation();
    if (fingers.size === 2) pinch = between();
    if (!fingers.size) pinch = null;
  }, { capture: true });
}

// ---- Space held: the pointer moves the film ----

let held = false;

function holdSpace(on) {
  held = on;
  root.classList.toggle("held", on);
}
document.addEventListener("keyup", function onSpaceUp(event) {
  if (!element.isConnected) return document.removeEventListener("keyup", onSpaceUp);
  if (event.key === " ") holdSpace(false);
});
window.addEventListener("blur", () => holdSpace(false));

function drag(event) {
  look({ ...view, x: stroke.fromX + event.clientX - stroke.x, y: stroke.fromY + event.clientY - stroke.y });
}

// ---- two taps or clicks on one place: the whole film again ----

const TAP = 300; // ms that a tap lasts, and that may be between two
const NEAR = 8; // px between two clicks; a finger is less exact
let tapped = null; // {at, x, y, depth}: the last one, and how many acts there were before it

// Return whether this was the second of two taps on a film that is seen from near: what both of
// them painted is taken back, and can be done again.
function tappedTwice(event, from) {
  const now = performance.now();
  const reach = event.pointerType === "touch" ? 3 * NEAR : NEAR;
  const apart = ({ x, y }) => Math.hypot(event.clientX - x, event.clientY - y);
  if (now - from.at > TAP || apart(from) > reach) return (tapped = null);
  const second = tapped && now - tapped.at < TAP + TAP && apart(tapped) <= reach;
  if (!second || view.zoom === 1) {
    tapped = { ...from, at: now };
    return false;
  }
  while (past.length > tapped.depth) undo();
  tapped = null;
  whole();
  return true;
}
