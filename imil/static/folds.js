// A card that a person opened stays open when what it says is replaced, as by one more run.
// Gradio runs this once a mount, as the body of a function with the argument `element`.

const opened = new Set();
const title = (card) => card.querySelector("summary")?.textContent.trim();

element.addEventListener(
  "toggle",
  ({ target }) => (target.open ? opened.add(title(target)) : opened.delete(title(target))),
  true,
);
new MutationObserver(() => {
  for (const card of element.querySelectorAll("details:not([open])")) {
    if (opened.has(title(card))) card.open = true;
  }
}).observe(element, { childList: true, subtree: true });
