// Cancels a merge, and keeps a log open that its reader opened.
const open = new Set();
element.addEventListener("click", (event) => {
  const button = event.target.closest(".ms-cancel");
  if (button) trigger("select", { job: button.dataset.job });
});
element.addEventListener("toggle", (event) => {
  const job = event.target.closest("[data-job]")?.dataset.job;
  if (job) open[event.target.open ? "add" : "delete"](job);
}, true);
watch("value", () => {
  for (const details of element.querySelectorAll("[data-job] details")) {
    const wanted = open.has(details.closest("[data-job]").dataset.job);
    if (details.open !== wanted) details.open = wanted;
  }
});
