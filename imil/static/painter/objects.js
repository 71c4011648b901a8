// ---- what stands out: an object under a point, or in a box ----

// Arrays in, arrays out: `seen` is {width, height, channels, values}, 0 to 255 a channel. Both return
// one byte a pixel, 1 = object, or null. They look at brightness and colour alone, and know nothing
// of anatomy.

const LEVELS = 256;
const SAME = 1.25; // an object grows by no more than this while what counts as its colour widens
const FEWEST = 9; // px: less is noise
const MOST_OF = 0.6; // of what is seen: more is the ground
const ROUNDS = 4; // of telling an object from what is around its box
const BINS = 16; // of each colour's channel; of grey, four times as many

// Each value is the mean of its 3 × 3 neighbours: noise is no edge.
function smooth({ width, height, channels, values }) {
  const out = new Uint8ClampedArray(values.length);
  const plane = new Float32Array(width * height);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane.length; i++) plane[i] = values[i * channels + c];
    const blurred = blur(plane, width, height, 1);
    for (let i = 0; i < plane.length; i++) out[i * channels + c] = blurred[i];
  }
  return out;
}

// Call `visit` with each of a pixel's four neighbours.
function around(at, width, length, visit) {
  const x = at % width;
  if (x > 0) visit(at - 1);
  if (x < width - 1) visit(at + 1);
  if (at >= width) visit(at - width);
  if (at + width < length) visit(at + width);
}

// The largest step of colour on the best way from a pixel to each other one: 0 to 255.
function steps(width, height, cost, start) {
  const length = width * height;
  const reached = new Uint8Array(length);
  const on = new Uint8Array(length);
  const following = new Int32Array(length); // in the pile of the same level
  const piles = new Int32Array(LEVELS).fill(-1);
  let level = 0;
  const visit = (to) => {
    if (on[to]) return;
    on[to] = 1;
    const pile = Math.max(level, cost[to]);
    following[to] = piles[pile];
    piles[pile] = to;
  };
  visit(start);
  for (; level < LEVELS; level++) {
    while (piles[level] >= 0) {
      const at = piles[level];
      piles[level] = following[at];
      reached[at] = level;
      around(at, width, length, visit);
    }
  }
  return reached;
}

// The object under a point: it grows from there by likeness of colour, and ends where a wider notion
// of its colour adds least (a maximally stable region; Matas et al. 2002).
function objectAt(seen, x, y) {
  const { width, height, channels } = seen;
  const values = smooth(seen);
  const [px, py] = [Math.floor(x), Math.floor(y)];
  if (px < 0 || py < 0 || px >= width || py >= height) return null;
  const start = py * width + px;
  const cost = new Uint8Array(width * height);
  for (let i = 0; i < cost.length; i++) {
    let far = 0;
    for (let c = 0; c < channels; c++) {
      far = Math.max(far, Math.abs(values[i * channels + c] - values[start * channels + c]));
    }
    cost[i] = far;
  }
  const reached = steps(width, height, cost, start);
  const areas = new Float64Array(LEVELS);
  for (const level of reached) areas[level] += 1;
  for (let level = 1; level < LEVELS; level++) areas[level] += areas[level - 1];
  let best = null;
  for (let level = 0; level < LEVELS; level++) {
    if (areas[level] < FEWEST || areas[level] > MOST_OF * reached.length) continue;
    let end = level;
    while (end + 1 < LEVELS && areas[end + 1] <= SAME * areas[level]) end += 1;
    if (areas[end] > MOST_OF * reached.length) continue;
    if (!best || end - level > best.long) best = { long: end - level, end };
  }
  if (!best) return null;
  return solid(width, height, reached.map((level) => (level <= best.end ? 1 : 0)));
}

// The object in a box: what has the colours of the box rather than those around it, told apart anew
// by what was found (after Rother et al., GrabCut, 2004, with smoothing in place of a graph cut).
function objectIn(seen, left, top, right, bottom) {
  const { width, height, channels } = seen;
  const values = smooth(seen);
  const bins = channels === 1 ? 4 * BINS : BINS ** 3;
  const colour = new Uint16Array(width * height);
  const inside = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (channels === 1) colour[i] = values[i] >> 2;
      else for (let c = 0; c < 3; c++) colour[i] = colour[i] * BINS + (values[i * 3 + c] >> 4);
      inside[i] = x + 0.5 >= left && x + 0.5 < right && y + 0.5 >= top && y + 0.5 < bottom ? 1 : 0;
    }
  }
  const boxed = inside.reduce((sum, each) => sum + each, 0);
  if (!boxed || boxed === inside.length) return null;
  let found = inside;
  const like = new Float32Array(width * height);
  const radius = Math.max(1, Math.round(Math.sqrt(boxed) / 32));
  for (let round = 0; round < ROUNDS; round++) {
    const object = spread(counted(colour, bins, found, 1), channels);
    const ground = spread(counted(colour, bins, found, 0), channels);
    for (let i = 0; i < like.length; i++) {
      const bin = colour[i];
      like[i] = inside[i] ? object[bin] / (object[bin] + ground[bin]) : 0;
    }
    const likely = blur(like, width, height, radius);
    found = inside.map((each, i) => (each && likely[i] > 0.5 ? 1 : 0));
  }
  found = solid(width, height, largest(width, height, found));
  const area = found.reduce((sum, each) => sum + each, 0);
  return area >= Math.max(FEWEST, 0.02 * boxed) ? found : null;
}

// The share of each colour among the pixels of a value; a little for those never seen.
function counted(colour, bins, mask, value) {
  const out = new Float32Array(bins).fill(1e-6);
  let sum = 0;
  for (let i = 0; i < colour.length; i++) {
    if (mask[i] !== value) continue;
    out[colour[i]] += 1;
    sum += 1;
  }
  return out.map((count) => count / Math.max(1, sum));
}

// Neighbouring colours count for each other.
function spread(shares, channels) {
  const strides = channels === 1 ? [1] : [1, BINS, BINS * BINS];
  const long = channels === 1 ? shares.length : BINS;
  for (const stride of strides) {
    const from = shares;
    shares = from.map((share, bin) => {
      const at = Math.floor(bin / stride) % long;
      const before = at > 0 ? from[bin - stride] : 0;
      const after = at < long - 1 ? from[bin + stride] : 0;
      return (before + 2 * share + after) / 4;
    });
  }
  return shares;
}

// The mean of each pixel's square of side 2 × radius + 1, along rows and then along columns.
function blur(map, width, height, radius) {
  const along = (from, long, wide, step, next) => {
    const out = new Float32Array(from.length);
    for (let line = 0; line < wide; line++) {
      let sum = 0;
      let count = 0;
      for (let at = -radius; at < long; at++) {
        if (at + radius < long) { sum += from[line * next + (at + radius) * step]; count += 1; }
        if (at - radius > 0) { sum -= from[line * next + (at - radius - 1) * step]; count -= 1; }
        if (at >= 0) out[line * next + at * step] = sum / count;
      }
    }
    return out;
  };
  return along(along(map, width, height, 1, width), height, width, width, 1);
}

// The largest part that hangs together.
function largest(width, height, mask) {
  const { parts, sizes } = connected(width, height, mask);
  const best = sizes.indexOf(Math.max(...sizes));
  return mask.map((_, i) => (sizes.length && parts[i] === best + 1 ? 1 : 0));
}

// With its holes filled: ground that does not reach an edge is the object's.
function solid(width, height, mask) {
  const { parts } = connected(width, height, mask.map((each) => 1 - each));
  const open = new Set();
  for (let x = 0; x < width; x++) open.add(parts[x]).add(parts[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) open.add(parts[y * width]).add(parts[y * width + width - 1]);
  return mask.map((each, i) => (each || !open.has(parts[i]) ? 1 : 0));
}

function connected(width, height, mask) {
  const parts = new Int32Array(mask.length);
  const pile = new Int32Array(mask.length);
  const sizes = [];
  let high = 0;
  const visit = (to) => {
    if (!mask[to] || parts[to]) return;
    parts[to] = sizes.length + 1;
    pile[high++] = to;
  };
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || parts[start]) continue;
    let size = 0;
    visit(start);
    while (high) {
      size += 1;
      around(pile[--high], width, mask.length, visit);
    }
    sizes.push(size);
  }
  return { parts, sizes };
}
