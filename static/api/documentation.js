// The API's description, read from the platform itself and tried with a token that is typed in and kept nowhere.
window.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("api-documentation");
  window.SwaggerUIBundle({
    url: place.dataset.description,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
