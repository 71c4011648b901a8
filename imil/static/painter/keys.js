// ---- keys, which can be switched off; and the panel that names them all ----

const OFF = "imil-keys-off";
const TYPING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable=true]";
const KEYS = {
  n: () => act("next"), p: () => act("previous"), s: () => act("skip"), l: () => act("suspect"),
  m: () => setMode(root.dataset.mode === HIDE ? KEEP : HIDE),
  b: () => choose("brush"), x: () => choose("box"), e: () => choose("erase"),
  a: () => choose("lasso"), g: () => choose("polygon"), w: () => choose("select"),
  i: invert, c: copyLast,
  "+": () => zoomBy(ZOOM_STEP), "=": () => zoomBy(ZOOM_STEP), "-": () => zoomBy(1 / ZOOM_STEP), 0: whole,
  z: undo, y: redo, "[": () => resize(-1), "]": () => resize(1),
  v: () => preview(true), o: () => setLooks(Number(looks.value) ? 0 : lastLooks),
  1: () => choosePreset(WINDOWS[0]), 2: () => choosePreset(WINDOWS[1]),
  3: () => choosePreset(WINDOWS[2]), 4: () => choosePreset(WINDOWS[3]),
  "?": () => togglePanel(),
};
const REPEATED = "zy[]+=-"; // the keys that go on while they are held
const COMMANDS = "zy"; // with Ctrl or Cmd, also where single keys are off

const keysOff = () => {
  try { return localStorage.getItem(OFF) === "1"; } catch { return false; }
};

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  if (!root.offsetParent || event.defaultPrevented || event.altKey) return;
  if (event.key === "Escape") return escape();
  if (event.target.closest?.(TYPING)) return;
  const onCanvas = event.target === paintCanvas;
  if (onCanvas && film && ARROWS[event.key]) {
    event.preventDefault();
    return tool === "polygon" ? moveCursor(event) : moveBox(event);
  }
  if (onCanvas && film && event.key === " ") {
    event.preventDefault();
    if (event.repeat) return;
    // With no box and no corner to paint, Space lets the pointer move the film.
    if (box) return paintBox();
    return cursor ? setCorner() : holdSpace(true);
  }
  if (corners.length && event.key === "Backspace") {
    event.preventDefault();
    return dropCorner();
  }
  if (corners.length > 2 && event.key === "Enter" && (onCanvas || event.target === document.body)) {
    event.preventDefault();
    return closePolygon();
  }
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (!COMMANDS.includes(key)) return;
    event.preventDefault();
    return key === "y" || event.shiftKey ? redo() : undo();
  }
  if (key === "enter") {
    // A focused button keeps its own Enter.
    if (event.repeat || (!onCanvas && (keysOff() || event.target !== document.body))) return;
    event.preventDefault();
    act("blackout");
  } else if (KEYS[key] && !keysOff() && (!event.repeat || REPEATED.includes(key))) {
    event.preventDefault();
    KEYS[key]();
  }
}
document.addEventListener("keydown", onKey);

// ---- V held: the image as the model would be given it ----

function preview(on) {
  root.classList.toggle("peek", on && Boolean(film));
}
function onKeyUp(event) {
  if (!element.isConnected) return document.removeEventListener("keyup", onKeyUp);
  if (event.key.toLowerCase() === "v") preview(false);
}
document.addEventListener("keyup", onKeyUp);
window.addEventListener("blur", () => preview(false));
const peek = $(".peekbtn");
peek.addEventListener("pointerdown", () => preview(true));
peek.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && preview(true));
for (const end of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) {
  peek.addEventListener(end, () => preview(false));
}

// ---- the panel ----

let openedBy = null;

function togglePanel(open = $(".panel").hidden) {
  $(".panel").hidden = !open;
  all("[aria-controls=painter-panel]").forEach((button) =>
    button.setAttribute("aria-expanded", String(open)));
  if (open) {
    openedBy = document.activeElement;
    $("[data-keys]").checked = !keysOff();
    $(".panel").focus();
  } else openedBy?.focus?.({ preventScroll: true });
}

function escape() {
  if (!$(".panel").hidden) togglePanel(false);
  else if (!$(".levels").hidden) {
    toggleLevels(false);
    $(".wl").focus();
  } else if (film) {
    hideBox();
    dropPolygon();
  }
}

$("[data-keys]").addEventListener("change", (event) => {
  try {
    if (event.target.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  } catch { /* forbidden: they stay on */ }
});
