// Lets the browser keep the files of the page, so that it opens where Sonneteer is not reachable.
// Without TLS only localhost may do so; elsewhere the page works as it does without.

addEventListener("load", () => {
  navigator.serviceWorker?.register("service-worker.js").catch(() => {});
});
