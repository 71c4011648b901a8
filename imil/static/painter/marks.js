// ---- hatch and outline: paint that is seen without its colour ----

// Drawn over the stage in pixels of the screen, so that both are as fine at every zoom.

const marks = $(".marks");
const HATCH = 9; // px from one line of the hatch to the next
const LINE = 0x8cffffff; // white, half through; its neighbour below is black
const SHADE = 0x66000000;
let marking = 0;

function remark() {
  marking ||= requestAnimationFrame(drawMarks);
}

function drawMarks() {
  marking = 0;
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  if (!width || !element.isConnected) return;
  if (marks.width !== width || marks.height !== height) Object.assign(marks, { width, height });
  const context = marks.getContext("2d");
  const image = context.createImageData(width, height);
  if (film && (film.mode === HIDE || film.veiled)) hatch(new Uint32Array(image.data.buffer), width, height);
  context.putImageData(image, 0, 0);
}

// White on the inner side of an edge and black on its outer one; lines across what is hidden.
function hatch(out, width, height) {
  const shown = paintCanvas.getBoundingClientRect();
  const outer = stage.getBoundingClientRect();
  const scale = shown.width / film.width;
  const places = (length, offset, most) => Int32Array.from({ length }, (_, at) => {
    const place = Math.floor((at + 0.5 - offset) / scale);
    return place < 0 || place >= most ? -1 : place;
  });
  const columns = places(width, shown.left - outer.left, film.width);
  const rows = places(height, shown.top - outer.top, film.height);
  const hides = film.mode === HIDE ? 1 : 0;
  const { drawn } = film;
  let above = new Int8Array(width).fill(-1);
  let here = new Int8Array(width);
  for (let y = 0; y < height; y++) {
    const row = rows[y] * film.width;
    for (let x = 0; x < width; x++) {
      const at = rows[y] < 0 || columns[x] < 0 ? -1 : drawn[row + columns[x]] === hides ? 1 : 0;
      here[x] = at;
      const left = x ? here[x - 1] : -1;
      const i = y * width + x;
      if (left >= 0 && at >= 0 && left !== at) edge(out, i - 1, i, left);
      if (above[x] >= 0 && at >= 0 && above[x] !== at) edge(out, i - width, i, above[x]);
      if (at === 1 && !out[i]) {
        const line = (x + y) % HATCH;
        if (line < 2) out[i] = line ? SHADE : LINE;
      }
    }
    [above, here] = [here, above];
  }
}

function edge(out, first, second, firstIsHidden) {
  out[first] = firstIsHidden ? 0xffffffff : 0xff000000;
  out[second] = firstIsHidden ? 0xff000000 : 0xffffffff;
}

// ---- how strongly the paint covers what is under it ----

const OPACITY = "imil-paint-opacity";
const opacity = $("[data-opacity]");

function setOpacity(percent) {
  opacity.value = percent;
  root.style.setProperty("--paint", opacity.value / 100);
}
opacity.addEventListener("input", () => {
  setOpacity(opacity.value);
  try { localStorage.setItem(OPACITY, opacity.value); } catch { /* then for this page alone */ }
});
try {
  const last = Number(localStorage.getItem(OPACITY));
  if (last) setOpacity(last);
} catch { /* the usual one */ }
