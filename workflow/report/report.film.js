// A film is still until somebody asks for it.
for (const button of all("button[data-moving]")) {
  const picture = button.closest("figure").querySelector("img"), still = picture.src;
  button.addEventListener("click", () => {
    const moves = picture.src === still;
    picture.src = moves ? button.dataset.moving : still;
    button.setAttribute("aria-pressed", moves);
    button.textContent = moves ? "Stop the film" : "Play the film";
  });
}
