// A file of its own, so that the page does without inline scripts. No validator: nothing may ask another host.
// What plugins add is described to those who are known: who gives a key, or takes it back, gets the description anew.
const anew = (action, system) => (...given) => {
  const done = action(...given);
  system.specActions.download(system.specSelectors.url());
  return done;
};

window.ui = SwaggerUIBundle({
  url: new URL("../v1/openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayOperationId: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  plugins: [() => ({ statePlugins: { auth: { wrapActions: { authorize: anew, logout: anew } } } })],
  requestInterceptor: (request) => {
    const key = request.loadSpec && window.ui?.authSelectors.authorized().getIn(["bearer", "value"]);
    if (key) request.headers.Authorization = `Bearer ${key}`;
    return request;
  },
});
