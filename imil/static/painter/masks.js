// ---- masks as run lengths: row by row, starting with the pixels that stay ----

function encode(mask) {
  const runs = [];
  let value = 0;
  let start = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== value) {
      runs.push(i - start);
      start = i;
      value = mask[i];
    }
  }
  runs.push(mask.length - start);
  return runs;
}

function decode(runs, length) {
  const mask = new Uint8Array(length);
  let at = 0;
  runs.forEach((run, i) => {
    if (i % 2) mask.fill(1, at, at + run);
    at += run;
  });
  return mask;
}

const covered = (runs) => runs.reduce((sum, run, i) => sum + (i % 2 ? run : 0), 0);
const inverted = (runs) => (runs[0] === 0 ? runs.slice(1) : [0, ...runs]);

// What is drawn, and what it means. In Keep nothing drawn hides nothing: an untouched film is whole.
function meaning(drawn, mode) {
  const length = drawn.reduce((sum, run) => sum + run, 0);
  if (mode === HIDE) return drawn;
  return covered(drawn) ? inverted(drawn) : [length];
}

const drawing = (runs, mode) => (mode === KEEP && covered(runs) ? inverted(runs) : runs);
