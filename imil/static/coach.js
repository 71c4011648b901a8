// The hint on the first film. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch).
//
// It lies over the film, lets every pointer through but on its own button, and is gone for good with
// the first stroke.

const root = element.querySelector(".coach");
const box = root.querySelector(".coachbox");
const ring = root.querySelector(".coachring");
const SEEN = "imil-coach";
const GAP = 14; // px between the marker and what is said of it
const AROUND = 6; // px between the marker and its ring

let here = false; // whether it was seen on this page: storage may be forbidden

function seen() {
  try { return here || localStorage.getItem(SEEN) === "seen"; } catch { return here; }
}

function dismiss() {
  here = true;
  try { localStorage.setItem(SEEN, "seen"); } catch { /* then for this page alone */ }
  root.hidden = true;
}

const film = () => document.querySelector("#painter .paint");

function place() {
  const hint = props.value;
  const canvas = film();
  const painter = document.querySelector("#painter .painter");
  const covered = painter?.querySelector(".panel:not([hidden])");
  const there = painter?.dataset.ready === hint?.sample && canvas?.offsetParent && !covered
    && !painter.dataset.zoom;
  root.hidden = !hint || !there || seen();
  if (root.hidden) return;
  const outer = root.getBoundingClientRect();
  const shown = canvas.getBoundingClientRect();
  const stage = canvas.parentElement.getBoundingClientRect();
  ring.hidden = !hint.marker;
  const left = stage.left - outer.left + 8;
  const top = stage.top - outer.top + 8;
  if (!hint.marker) {
    Object.assign(box.style, { left: `${left}px`, top: `${top}px` });
    box.dataset.points = "";
    return;
  }
  const [x, y, side] = hint.marker.map((share) => share * shown.width);
  const marker = { left: shown.left - outer.left + x, top: shown.top - outer.top + y };
  Object.assign(ring.style, {
    left: `${marker.left - AROUND}px`, top: `${marker.top - AROUND}px`,
    width: `${side + 2 * AROUND}px`, height: `${side + 2 * AROUND}px`,
  });
  // Beside the marker on the side where the film has room; its middle at the marker's.
  const leftOf = marker.left + side / 2 > stage.left - outer.left + stage.width / 2;
  const beside = leftOf
    ? marker.left - AROUND - GAP - box.offsetWidth : marker.left + side + AROUND + GAP;
  const middle = marker.top + side / 2 - box.offsetHeight / 2;
  box.style.left = `${Math.max(left, beside)}px`;
  box.style.top = `${Math.max(top, middle)}px`;
  box.dataset.points = leftOf ? "right" : "left";
  box.style.setProperty("--at", `${marker.top + side / 2 - Math.max(top, middle)}px`);
}

function say() {
  root.hidden = true;
  root.querySelector("p").textContent = props.value?.words ?? "";
  place();
}

root.querySelector("button").addEventListener("click", () => {
  dismiss();
  film()?.focus({ preventScroll: true });
});

function onStroke(event) {
  if (!element.isConnected) return document.removeEventListener("pointerdown", onStroke, true);
  if (!root.hidden && event.target === film()) dismiss();
}
document.addEventListener("pointerdown", onStroke, true);

// A film or the panel that opens, a stage that changes its size: the painter tells none of it, so
// it is watched.
const sizes = new ResizeObserver(place);
const opened = new MutationObserver(place);
function follow() {
  const painter = document.querySelector("#painter .painter");
  if (!element.isConnected) return;
  if (!painter) return setTimeout(follow, 100);
  sizes.observe(painter.querySelector(".stage"));
  sizes.observe(painter.querySelector(".paint"));
  opened.observe(painter, { attributes: true, attributeFilter: ["data-ready", "data-zoom"] });
  opened.observe(painter.querySelector(".panel"), { attributes: true, attributeFilter: ["hidden"] });
  place();
}

watch("value", say);
say();
follow();
