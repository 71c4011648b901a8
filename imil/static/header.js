// The line above the tabs. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.
//
// The list of studies lives in this browser alone: the server knows studies by ids that nobody can
// guess, and has no list to give away. Every change reads the list anew, so that two tabs of one
// browser never lose each other's studies.

const bar = element.querySelector(".bar");
const words = bar.dataset;
const select = element.querySelector(".picker select");
const glossary = element.querySelector("dialog.glossary");
const leaving = element.querySelector("dialog.leaving");
const keeping = element.querySelector("dialog.keeping");

const STUDIES = "imil-studies";
const OPENED = "imil-study"; // Gradio's own entry: the study to come back to
const READER = "imil-reader"; // Gradio's own entry: the name that goes with each mask
const THEME = "imil-theme";
const COACH = "imil-coach";
const PLACE = "imil-place"; // the line of trainings': the tab to come back to
const GUIDE = "imil-guide"; // the guided start's: that it is over
const DRAFT = "imil-draft:"; // the painter's
const UNSENT = "imil-unsent:"; // the painter's: masks that were handed in, and have no answer yet
const UNSENT_AFTER = 4000; // ms that an answer may take before it is said that there is none
const MOST = 50; // studies in the list; the oldest go first
const NEW = "new";

let kept = []; // where the browser forbids storage, the list lives as long as the page

// ---- what the browser keeps ----

function read(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function write(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch { /* forbidden or full: the page works without */ }
}

function studies() {
  try {
    const found = JSON.parse(read(STUDIES) ?? JSON.stringify(kept));
    return found.filter((one) => typeof one?.id === "string" && typeof one.name === "string");
  } catch {
    return [];
  }
}

function keep(list) {
  kept = list.slice(0, MOST);
  write(STUDIES, JSON.stringify(kept));
}

// Until the server has answered: who comes back is told that nothing is lost.
const asked = new URL(location.href).searchParams.has("study");
let current = {
  study: "", name: asked || studies().length ? words.openingWord : words.loadingWord,
};
element.querySelector(".study").textContent = current.name;

// How many images have strokes that were not blacked out; each tab has a draft of its own.
function drafts(study) {
  try {
    const own = Object.keys(localStorage).filter((key) => key.startsWith(`${DRAFT}${study}/`)
      && JSON.parse(localStorage.getItem(key)).runs.length > 1);
    return new Set(own.map((key) => key.replace(/#[0-9a-f]{8}$/, ""))).size;
  } catch {
    return 0;
  }
}

// ---- the list ----

function when(created) {
  const time = new Date(created);
  if (Number.isNaN(time.getTime())) return "";
  const today = time.toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return ` · ${time.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" })}`;
}

function option(value, label) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = label;
  return made;
}

function list() {
  const options = studies().map((one) => option(one.id, one.name + when(one.created)));
  if (!current.study) options.unshift(option("", current.name));
  select.replaceChildren(...options, option(NEW, words.newWord));
  select.value = current.study;
}

select.addEventListener("pointerdown", list); // another tab may have begun one meanwhile
select.addEventListener("focus", list);
select.addEventListener("change", () => {
  const chosen = select.value;
  select.value = current.study; // until it is open
  if (chosen === NEW) trigger("begin");
  else if (chosen && chosen !== current.study) trigger("choose", { study: chosen });
});

function update() {
  const value = props.value;
  if (!value) return;
  if ("of" in value) {
    // Looked up by a clock: the list stays as it is, for it may be open.
    if (value.of === current.study) current = { ...current, saved: value.saved };
    return sayWhereSaved();
  }
  if (value.gone?.length) keep(studies().filter((one) => !value.gone.includes(one.id)));
  if ("study" in value) {
    current = value;
    const { study, name, created } = value;
    bar.dataset.study = study;
    element.querySelector(".study").textContent = name;
    dispatchEvent(new CustomEvent("imil-study", { detail: study }));
    if (study) keep([{ id: study, name, created }, ...studies().filter((one) => one.id !== study)]);
    element.querySelector(".picker").title = name;
    sayWhereSaved();
  }
  list();
}

// ---- where it is saved ----

let spoken = ""; // of what the Hub does not take; every change is said aloud, the passing time not
let unsent = 0; // masks that wait in this browser for the app
let told; // what is said now
let counting = 0;

function whatIsSaved() {
  if (!navigator.onLine) return { words: words.offlineWord, brief: words.offlineBriefWord };
  if (!unsent) return current.saved;
  const [line, brief] = unsent === 1 ? [words.unsentOneWord, words.unsentOneBriefWord]
    : [words.unsentWord, words.unsentBriefWord].map((each) => each.replace("{n}", String(unsent)));
  return { words: line, brief, why: words.unsentWhyWord.split("\n") };
}

// The painter sends them once it is there, which it is on its own tab.
function countUnsent() {
  clearTimeout(counting);
  if (!element.isConnected) return;
  let late = 0;
  try {
    late = Object.keys(localStorage).filter((key) => key.startsWith(UNSENT)
      && Date.now() - (JSON.parse(read(key))?.at ?? 0) > UNSENT_AFTER).length;
  } catch { /* no storage, so nothing waits in it */ }
  if (late !== unsent) {
    unsent = late;
    sayWhereSaved();
  }
  counting = setTimeout(countUnsent, UNSENT_AFTER);
}

function sayWhereSaved() {
  told = whatIsSaved();
  const offline = !navigator.onLine;
  const amiss = offline || Boolean(told?.why);
  bar.dataset.saved = amiss ? "amiss" : "fine";
  // A page that can't be had again must not be left.
  bar.querySelector("[data-act=next]").disabled = offline;
  const saved = bar.querySelector(".saved");
  saved.hidden = !told;
  saved.querySelector(".whole").textContent = told?.words ?? "";
  saved.querySelector(".brief").textContent = told?.brief ?? "";
  saved.querySelector(".why").hidden = !told?.why;
  const now = offline ? words.offlineWord : told?.why?.[0] ?? "";
  if (now !== spoken) bar.querySelector(".aloud").textContent = spoken = now;
}

function why() {
  const [what, ...lines] = told?.why ?? [];
  if (!what) return;
  keeping.querySelector("h2").textContent = what;
  keeping.querySelector("[data-lines]").replaceChildren(...lines.map((line) => {
    const made = document.createElement("p");
    made.textContent = line;
    return made;
  }));
  keeping.showModal();
}

function onLine() {
  if (element.isConnected) return sayWhereSaved();
  removeEventListener("online", onLine);
  removeEventListener("offline", onLine);
}
addEventListener("online", onLine);
addEventListener("offline", onLine);

// ---- the next visitor ----

function reset() {
  write(OPENED, null);
  write(READER, null);
  write(COACH, null);
  try {
    for (const key of [PLACE, GUIDE]) sessionStorage.removeItem(key);
  } catch { /* forbidden */ }
  // An account is the last visitor's too: its cookie goes before the page does.
  if (bar.dataset.signIn !== undefined) return location.assign("logout?_target_url=/");
  // Everything that the last visitor typed goes with the page.
  location.reload();
}

function nextVisitor() {
  const unfinished = current.study ? drafts(current.study) : 0;
  if (!unfinished) return reset();
  const count = unfinished === 1 ? words.unfinishedOneWord : words.unfinishedWord;
  leaving.querySelector("[data-count]").textContent = count.replace("{n}", String(unfinished));
  leaving.showModal();
}

// ---- light or dark ----

const dark = () => document.body.classList.contains("dark");
const paint = (on) => document.body.classList.toggle("dark", on);
const chosen = read(THEME);
if (chosen) paint(chosen === "dark");

const ACTS = {
  theme: () => {
    paint(!dark());
    write(THEME, dark() ? "dark" : "light");
  },
  glossary: () => glossary.showModal(),
  menu: () => dispatchEvent(new CustomEvent("imil-menu")),
  next: nextVisitor,
  why,
  reset,
};

element.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "close" || event.target.matches("dialog")) event.target.closest("dialog").close();
  else ACTS[act]?.();
});

for (const dialog of [glossary, leaving, keeping]) {
  // The painter's keys are not meant while one reads.
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
}

function onFresh() {
  if (!element.isConnected) return removeEventListener("imil-fresh", onFresh);
  reset();
}
addEventListener("imil-fresh", onFresh);

watch("value", update);
list();
update();
countUnsent();
const listed = studies().map((one) => one.id);
if (listed.length) trigger("check", { studies: listed });
