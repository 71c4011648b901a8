// The painter in the browser: what it holds. Gradio runs the files of this folder once a mount, as
// the body of one function with the arguments (element, trigger, props, server, upload, watch); so
// they share one scope, in the order of `PARTS` in imil/app/painter/painter.py.
//
// What is drawn is an array of its own, one byte a pixel of the film at its own size. The canvases
// only show it: nothing is ever read back from a canvas, so neither anti-aliasing, zoom, pixel
// density nor a browser that disturbs canvas reads can change a pixel of it.

const $ = (query) => element.querySelector(query);
const all = (query) => element.querySelectorAll(query);
const root = $(".painter");
const words = root.dataset;
const stage = $(".stage");
const filmCanvas = $(".film");
const heatCanvas = $(".heat");
const paintCanvas = $(".paint");
const size = $("[data-size]");

const HIDE = "hide"; // what is drawn is hidden
const KEEP = "keep"; // what is drawn is what alone stays

// {study, sample, reader, queue, base, width, height, drawn, mode, runs, rev, start, pixels, ...}: `drawn` is
// what was painted, `runs` the mask that it means (what is hidden), `base` names the mask that the
// server had when the film was opened, `start` is the mask that it was begun from, `begun` how
// that one had come about.
let film = null;
let stroke = null; // {kind, x, y, pointer, value, ...} while a pointer is down
let opened = 0;
let watchedSince = null;
let seconds = 0;

// ---- seconds spent on the film while the page was in sight ----

function spent() {
  const now = watchedSince === null ? 0 : (performance.now() - watchedSince) / 1000;
  return Math.round(10 * (seconds + now)) / 10;
}

function onSight() {
  if (!element.isConnected) return document.removeEventListener("visibilitychange", onSight);
  if (document.hidden) {
    seconds = spent();
    watchedSince = null;
    finish();
    if (film) saveDraft();
  } else if (watchedSince === null) watchedSince = performance.now();
}
document.addEventListener("visibilitychange", onSight);

// A page that is closed or reloaded in the middle of a stroke keeps the stroke.
function onLeave() {
  if (!element.isConnected) return window.removeEventListener("pagehide", onLeave);
  finish();
}
window.addEventListener("pagehide", onLeave);

// ---- sentences on the stage ----

// A word in passing, gone with the next stroke.
function say(text) {
  $(".hint").textContent = text;
  $(".hint").hidden = !text;
}

// A sentence that stays until what it says is over; with a button, where there is a choice.
let noticed = null;
function notice(kind, text, act = null) {
  if (!text && noticed !== kind) return; // another one stands there by now
  noticed = text ? kind : null;
  $(".notice").hidden = !text;
  $(".notice span").textContent = text;
  $(".notice button").hidden = !act;
  $(".notice button").textContent = act ? act.label : "";
  $(".notice button").onclick = act ? act.run : null;
}
