// The guided start. Gradio runs this once a mount, as the body of a function with the arguments
// (element, trigger, props, server, upload, watch).
//
// It lies above the tabs and covers nothing. The step that it tells is the open tab's, however one
// has come there. Skipped or done, it is not offered again in this browser session.

const offer = element.querySelector(".guideoffer");
const root = element.querySelector(".guide");
const told = root.querySelector("p");
const next = root.querySelector("[data-act=next]");
const steps = [...root.querySelectorAll("template")];
const OVER = "imil-guide";
const MASK = 1; // the tab where one begins

let here = false; // whether it is over on this page: storage may be forbidden

function over() {
  try { return here || sessionStorage.getItem(OVER) === "over"; } catch { return here; }
}

const tabs = () => [...document.querySelectorAll("#tabs > .tab-wrapper [role=tablist] > [role=tab]")];
const at = () => tabs().findIndex((tab) => tab.ariaSelected === "true");

function show() {
  offer.hidden = over() || !root.hidden;
  // On a phone the tabs leave it this room.
  document.documentElement.style.setProperty("--offer", offer.hidden ? "0px" : "84px");
  const step = steps[at()];
  if (root.hidden || !step || root.dataset.at === String(at())) return;
  root.dataset.at = String(at());
  told.replaceChildren(step.content.cloneNode(true));
  next.textContent = step.dataset.next;
  const tab = tabs()[at()].getBoundingClientRect();
  const left = tab.left + tab.width / 2 - root.getBoundingClientRect().left;
  root.style.setProperty("--at", `${left / (Number(getComputedStyle(document.body).zoom) || 1)}px`);
}

function begin() {
  root.hidden = false;
  root.dataset.at = "";
  tabs()[0]?.click();
  show();
  next.focus();
}

function end(tab) {
  here = true;
  try { sessionStorage.setItem(OVER, "over"); } catch { /* then for this page alone */ }
  root.hidden = true;
  show();
  tab?.click();
  tab?.focus();
}

function onward() {
  const last = at() === steps.length - 1;
  if (last) return end(tabs()[MASK]);
  tabs()[at() + 1]?.click();
}

const ACTS = { begin, next: onward, skip: () => end(tabs()[at()]) };

element.addEventListener("click", (event) => ACTS[event.target.closest("[data-act]")?.dataset.act]?.());

function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey, true);
  if (root.hidden || event.key !== "Escape") return;
  // What is open, or being painted or typed, keeps its own Escape.
  if (document.querySelector("dialog[open], #painter .panel:not([hidden])")) return;
  if (event.target.closest?.("#painter, input, select, textarea, [role=listbox]")) return;
  event.stopPropagation();
  end(tabs()[at()]);
}
document.addEventListener("keydown", onKey, true);
// The painter's keys are not meant while one reads.
root.addEventListener("keydown", (event) => event.stopPropagation());

// Gradio's own line of tabs tells of no change.
const moved = new MutationObserver(show);
function follow() {
  const line = tabs()[0]?.closest(".tab-container");
  if (!element.isConnected) return;
  if (!line) return setTimeout(follow, 100);
  moved.observe(line, { attributes: true, attributeFilter: ["aria-selected"], subtree: true });
  show();
}
follow();
