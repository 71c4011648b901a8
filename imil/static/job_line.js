// What trains, on every tab. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.
//
// It also brings a page that is loaded anew, as after a restart of the app, back to its tab.

const root = element.querySelector(".jobline");
const words = root.dataset;
const button = (act) => root.querySelector(`[data-act=${act}]`);
const PLACE = "imil-place"; // of this browser tab alone: where it was
const TABS = { train: 0, outliers: 1, results: 2 };
const LEADS_TO = { test: "results", folds: "outliers", train: "outliers" };
const title = document.title;

let last = null; // what was told last
let ended = ""; // what has ended and was not looked at yet

// ---- the tabs ----

const tabs = () => [...document.querySelectorAll("#tabs > .tab-wrapper [role=tab]")]
  .filter((tab) => tab.closest(".tab-container")?.getAttribute("role") === "tablist");
const current = () => Object.keys(TABS)[tabs().findIndex((tab) => tab.ariaSelected === "true")];
const go = (name) => tabs()[TABS[name]]?.click();

function keep(name) {
  try { if (name) sessionStorage.setItem(PLACE, name); } catch { /* forbidden */ }
}

function kept() {
  try { return sessionStorage.getItem(PLACE); } catch { return null; }
}

function moved() {
  if (!restored) return;
  keep(current());
  if (ended && current() === LEADS_TO[ended]) seen();
  show();
}

// ---- what is said ----

function seen() {
  ended = "";
  document.title = title;
  root.querySelector(".aloud").textContent = "";
}

function show() {
  const kind = props.value?.kind ?? "";
  const told = ended ? (words[`${ended === "test" && kind ? "first" : ended}Word`] ?? "") : "";
  root.hidden = !kind && !ended;
  root.dataset.tone = ended ? "good" : "flat";
  root.querySelector(".words").textContent = told || (props.value?.words ?? "");
  button("see").hidden = !ended || current() === LEADS_TO[ended];
  button("mask").hidden = !kind || Boolean(ended) || !props.value?.masks || current() === "outliers";
  const asks = "Notification" in window && isSecureContext && Notification.permission === "default";
  button("notify").hidden = !kind || !asks;
}

function end(kind, failed) {
  if (!failed) ended = kind;
  const line = failed ? words.failedWord : words[`${kind}Word`];
  document.title = failed ? words.failedTitleWord : words.titleWord;
  root.querySelector(".aloud").textContent = line;
  if (!failed && current() === LEADS_TO[kind] && !document.hidden) seen();
  if (document.hidden && "Notification" in window && Notification.permission === "granted") {
    // Never a name of a study, a class or an image: the screen may be seen by others.
    try { new Notification("IMIL", { body: line, tag: "imil" }); } catch { /* not on phones */ }
  }
}

function update() {
  const value = props.value;
  if (!value) return;
  if (last && last.study === value.study) {
    const before = last.kind;
    if (before && before !== value.kind) {
      const state = value.states[before];
      if (state === "done" || state === "failed") end(before, state === "failed");
    } else if (before === "test" && !last.runs && value.runs) end("test", false);
  } else if (ended) seen();
  last = value;
  show();
}

root.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "mask") go("outliers");
  if (act === "see") go(LEADS_TO[ended]);
  if (act === "notify") Notification.requestPermission().then(show);
});

document.addEventListener("visibilitychange", function back() {
  if (!element.isConnected) return document.removeEventListener("visibilitychange", back);
  if (!document.hidden && document.title !== title && (!ended || current() === LEADS_TO[ended])) seen();
  show();
});

// ---- back to the tab where one was ----

const AGAIN = 150; // ms between two tries: Gradio drops what is pressed before its tabs are ready
const TRIES = 40;
const place = kept();
let restored = !(place in TABS);

function restore(tries) {
  if (restored || !element.isConnected) return;
  if (tries > 0 && current() !== place) go(place);
  restored = tries < TRIES && current() === place || tries <= 0;
  if (restored) return moved();
  setTimeout(() => restore(tries - 1), AGAIN);
}

function follow() {
  if (!element.isConnected) return;
  const found = tabs();
  if (found.length < 3) return setTimeout(follow, AGAIN);
  const bar = found[0].parentElement;
  // Whoever goes somewhere meanwhile stays there.
  bar.addEventListener("pointerdown", () => { restored = true; });
  bar.addEventListener("keydown", () => { restored = true; });
  new MutationObserver(moved).observe(bar, {
    subtree: true, attributes: true, attributeFilter: ["aria-selected"],
  });
  if (restored) moved();
  else restore(TRIES);
}

watch("value", update);
update();
follow();
