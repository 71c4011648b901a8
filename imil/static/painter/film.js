// ---- the film: its stored pixel values, seen through a window ----

// The window is a table from stored value to grey, applied as the film is drawn: at the depth it was
// stored with, and never to the mask.
const WINDOWS = ["full", "lung", "bone", "auto"];
let preset = null; // the window chosen last; null: the film's own first one
let redraw = 0;

// The server sends differences between neighbours, deflated: see `encode_pixels`.
async function unpack(value) {
  const packed = Uint8Array.from(atob(value.pixels), (letter) => letter.charCodeAt(0));
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(inflated).arrayBuffer();
  const values = value.depth === 16 ? new Uint16Array(bytes) : new Uint8Array(bytes);
  const step = value.channels;
  for (let i = step; i < values.length; i++) values[i] += values[i - step]; // wraps, as it was made
  return values;
}

// 0 to 255 for each stored value: round((v − low) / (high − low) × 255).
function greys([low, high], depth) {
  const table = new Uint8ClampedArray(2 ** depth);
  const scale = 255 / Math.max(1, high - low);
  for (let value = 0; value < table.length; value++) table[value] = (value - low) * scale;
  return table;
}

function drawFilm() {
  redraw = 0;
  if (!film) return;
  const { width, height, pixels, channels, depth } = film;
  const table = greys(film.window, depth);
  const context = filmCanvas.getContext("2d");
  const image = context.createImageData(width, height);
  if (channels === 1) {
    const colours = Uint32Array.from(table, (grey) => (0xff000000 | (grey * 0x010101)) >>> 0);
    const out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < out.length; i++) out[i] = colours[pixels[i]];
  } else {
    const out = image.data;
    for (let i = 0, o = 0; i < pixels.length; i += 3, o += 4) {
      out[o] = table[pixels[i]];
      out[o + 1] = table[pixels[i + 1]];
      out[o + 2] = table[pixels[i + 2]];
      out[o + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function setWindow(low, high) {
  film.window = [low, high];
  const width = Math.round(high - low);
  const level = Math.round((low + high) / 2);
  $(".wl").textContent = `W ${width} L ${level}`;
  $("[data-level=width]").value = width;
  $("[data-level=centre]").value = level;
  all("[data-window]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.window === film.preset)));
  redraw ||= requestAnimationFrame(drawFilm);
}

function choosePreset(name) {
  if (!film?.windows[name]) return;
  preset = name;
  film.preset = name;
  setWindow(...film.windows[name]);
}

// A window of one's own, by its width and its centre; the next film opens with the preset again.
function freeWindow(width, centre) {
  const [low, high] = film.range;
  const wide = Math.min(Math.max(1, width), high - low);
  const middle = Math.min(Math.max(low, centre), high);
  film.preset = null;
  setWindow(middle - wide / 2, middle + wide / 2);
}

// The film that has just come: its window is the preset in use, or the film's own first one.
function firstWindow() {
  const [low, high] = film.range;
  Object.entries({ width: [1, high - low], centre: [low, high] }).forEach(([name, [min, max]]) => {
    $(`[data-level=${name}]`).min = min;
    $(`[data-level=${name}]`).max = max;
  });
  film.preset = film.windows[preset] ? preset : film.first;
  root.classList.toggle("colour", film.channels === 3);
  setWindow(...film.windows[film.preset]);
}

all("[data-level]").forEach((slider) => slider.addEventListener("input", () => {
  if (film) freeWindow(Number($("[data-level=width]").value), Number($("[data-level=centre]").value));
}));

function toggleLevels(open = $(".levels").hidden) {
  $(".levels").hidden = !open;
  $(".wl").setAttribute("aria-expanded", String(open));
  if (open) $("[data-level=width]").focus();
}
$(".wl").addEventListener("click", () => film && toggleLevels());

// ---- where the model looks: asked for when it is wanted, and shown over the film ----

const looks = $("[data-looks]");
const LOOKS = 45; // % of opacity that the key turns on
const ASK_AFTER = 200; // ms that a film stands before it is asked for
let lastLooks = LOOKS;
let looking = 0;

// From cold to hot: #FFB020, the amber of the tokens, in the middle; nothing where nothing is looked at.
const STOPS = [
  [0, 120, 20, 90, 0], [0.2, 150, 40, 80, 12], [0.45, 214, 70, 60, 90], [0.75, 255, 176, 32, 200],
  [1, 255, 240, 150, 242],
];
const HEAT = Uint32Array.from({ length: 256 }, (_, value) => {
  const at = value / 255;
  const next = Math.max(1, STOPS.findIndex((stop) => stop[0] >= at));
  const [a, b] = [STOPS[next - 1], STOPS[next]];
  const part = (at - a[0]) / (b[0] - a[0]);
  const [red, green, blue, alpha] = [1, 2, 3, 4].map((i) => Math.round(a[i] + part * (b[i] - a[i])));
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
});

function setLooks(percent) {
  looks.value = percent;
  if (Number(looks.value)) lastLooks = Number(looks.value);
  heatCanvas.style.opacity = looks.value / 100;
  if (film?.heat === "asked" && !Number(looks.value)) film.heat = null; // may be asked for again
  askLooks();
}

// Only while the layer is on, and once a film.
function askLooks() {
  clearTimeout(looking);
  if (!film || film.heat || !Number(looks.value)) return;
  looking = setTimeout(() => {
    if (!film || film.heat || !element.isConnected) return;
    film.heat = "asked";
    say(words.lookingWord);
    publish();
    send("saliency");
  }, ASK_AFTER);
}

function showLooks() {
  const heat = props.heat;
  if (!film || heat?.study !== film.study || heat.sample !== film.sample) return;
  const [width, height] = heat.size;
  film.heat = "here";
  say(heat.why);
  heatCanvas.width = width;
  heatCanvas.height = height;
  if (!heat.values) return;
  const context = heatCanvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const values = atob(heat.values);
  for (let i = 0; i < out.length; i++) out[i] = HEAT[values.charCodeAt(i)];
  context.putImageData(image, 0, 0);
}

looks.addEventListener("input", () => setLooks(looks.value));
