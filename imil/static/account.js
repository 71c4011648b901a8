// The open study's own dialog. Gradio runs this once a mount, as the body of a function with the
// arguments (element, trigger, props, server, upload, watch). Texts go in as text, never as HTML.

const menu = element.querySelector("dialog.menu");
const ask = element.querySelector("dialog.ask");
const told = menu.querySelector(".told");
const words = menu.dataset;
const out = menu.querySelector("[data-out]"); // not there where nobody can sign in
const LENT = "imil-lent"; // studies that this browser opened by a link or a list, and did not begin

let study = document.querySelector("#header .bar")?.dataset.study ?? "";
let signedIn = false;
let kept = ""; // the study that the account's list was told of

function lent() {
  try { return JSON.parse(localStorage.getItem(LENT) ?? "[]"); } catch { return []; }
}

function lend(id) {
  try {
    localStorage.setItem(LENT, JSON.stringify([...new Set([id, ...lent()])].slice(0, 200)));
  } catch { /* forbidden or full */ }
}

function look() {
  if (!out) return;
  kept = study;
  trigger("look", { study, own: !lent().includes(study) });
}

function say(value) {
  told.hidden = !value;
  if (!value) return;
  told.dataset.tone = value.tone;
  told.textContent = value.words;
  if (!value.url) return;
  const link = document.createElement("a");
  link.href = value.url;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = value.url;
  told.append(" ", link);
}

function showAccount(value) {
  if (!out) return;
  signedIn = Boolean(value.account);
  out.hidden = signedIn;
  menu.querySelector("[data-in]").hidden = !signedIn;
  menu.querySelector(".whose").textContent = value.account ?? "";
  const organisations = value.organisations ?? [];
  menu.querySelector(".orgs").hidden = !organisations.length;
  menu.querySelector(".orglist").replaceChildren(...organisations.map((one) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = one.shared;
    box.addEventListener("change", () =>
      trigger("grant", { study, organisation: one.name, shared: box.checked }));
    label.append(box, one.name);
    return label;
  }));
  const others = (value.studies ?? []).filter((one) => one.study_id !== study);
  menu.querySelector(".own").hidden = !others.length;
  menu.querySelector(".own ul").replaceChildren(...others.map((one) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "imil-btn";
    const day = new Date(one.created);
    const written = { day: "numeric", month: "short", year: "numeric" };
    const when = Number.isNaN(day.getTime()) ? "" : ` · ${day.toLocaleDateString([], written)}`;
    button.textContent = one.name + when;
    button.addEventListener("click", () => {
      lend(one.study_id);
      say(null);
      trigger("choose", { study: one.study_id });
    });
    item.append(button);
    return item;
  }));
}

function update() {
  const value = props.value;
  if (!value) return;
  busy("");
  showAccount(value);
  // A look at account and lists tells nothing, and takes nothing back that an act has told.
  if (value.told) say(value.told);
  // A copy or a deletion that was begun is told of wherever the visitor looks by now.
  if (value.told && !menu.open) menu.showModal();
}

function busy(word) {
  menu.querySelectorAll("button[data-act=save], button[data-act=ask]").forEach((one) => {
    one.disabled = Boolean(word);
  });
  if (word) say({ tone: "flat", words: word });
}

function showStudy() {
  const name = study ? document.querySelector("#header .study").textContent : "";
  menu.querySelector(".named").textContent = name;
  ask.querySelector("h2").textContent = words.askWord.replace("{name}", () => name);
  menu.querySelectorAll("[data-study]").forEach((one) => { one.hidden = !study; });
  menu.querySelector(".link").value = `${location.origin}${location.pathname}?study=${study}`;
}

function show() {
  say(null);
  showStudy();
  menu.showModal();
  look();
}

async function copy() {
  const field = menu.querySelector(".link");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // a page without rights to the clipboard; else it stays selected
  }
  say({ tone: "good", words: words.copiedWord });
}

const ACTS = {
  copy,
  save: () => {
    busy(words.savingWord);
    trigger("save", { study });
  },
  ask: () => ask.showModal(),
  remove: () => {
    ask.close();
    busy(words.deletingWord);
    trigger("remove", { study });
  },
};

element.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "close" || event.target.matches("dialog")) event.target.closest("dialog").close();
  else ACTS[act]?.();
});

for (const dialog of [menu, ask]) {
  // The painter's keys are not meant while one reads.
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
}

function onStudy(event) {
  if (!element.isConnected) return removeEventListener("imil-study", onStudy);
  study = event.detail;
  showStudy();
  if (signedIn && study && study !== kept) look();
}

function onMenu() {
  if (!element.isConnected) return removeEventListener("imil-menu", onMenu);
  show();
}

addEventListener("imil-study", onStudy);
addEventListener("imil-menu", onMenu);
watch("value", update);
look();
