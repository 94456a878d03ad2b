// A file of its own, so that the page does without inline scripts. No validator: nothing may ask another host.
SwaggerUIBundle({
  url: new URL("../v1/openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayOperationId: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
});
