// "Filter": where there is room for the film strip alone, opens what narrows it, over the page. It
// closes with Escape or a press elsewhere. Gradio runs this once a mount.

const button = element.querySelector("button");
const card = () => button.closest(".queue");

function set(open) {
  button.setAttribute("aria-expanded", String(open));
  if (open) card().dataset.filtering = "";
  else delete card().dataset.filtering;
}
const isOpen = () => button.getAttribute("aria-expanded") === "true";

button.addEventListener("click", () => set(!isOpen()));
function outside(event) {
  if (!element.isConnected) document.removeEventListener("pointerdown", outside, true);
  else if (isOpen() && !event.target.closest(".filterpanel, .filtertoggle")) set(false);
}
document.addEventListener("pointerdown", outside, true);
function escape(event) {
  if (!element.isConnected) document.removeEventListener("keydown", escape, true);
  else if (event.key === "Escape" && isOpen()) {
    set(false);
    button.focus();
  }
}
document.addEventListener("keydown", escape, true);
