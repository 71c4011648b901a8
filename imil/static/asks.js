// Whatever carries data-ask asks for something when it is pressed. Gradio runs this once a mount,
// as the body of a function with the arguments (element, trigger, props, server, upload, watch).

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask]");
  if (!button) return;
  const choice = button.closest("[data-choice]")?.querySelector("select");
  const ask = JSON.parse(button.dataset.ask);
  trigger("select", { ask: choice ? { ...ask, arm: choice.value } : ask });
});
