// The sample of predicted masks in the browser: a picture opens its film in the painter. Gradio runs
// this once a mount, as the body of a function with the arguments (element, trigger, props, ...).

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-sample]");
  if (button) trigger("select", { sample: button.dataset.sample });
});
