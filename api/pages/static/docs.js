// The interactive documentation: Swagger UI in the theme of the pages, with requests that the session cookie may send.
import { ROOT } from "./api.js";

const html = document.documentElement;
const follow = () => html.classList.toggle("dark-mode", html.dataset.theme === "dark");
html.addEventListener("themechange", follow);
follow();

const response = await fetch(new URL("openapi.json", ROOT));
const spec = await response.json();
if (ROOT.pathname !== "/") spec.servers = [{ url: ROOT.pathname.replace(/\/$/, "") }]; // whatever prefix a proxy adds
window.SwaggerUIBundle({
  spec,
  domNode: document.getElementById("docs"),
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  requestInterceptor: (request) => {
    request.headers["X-Requested-With"] = "tsad"; // forms on other sites cannot send this header
    return request;
  },
});
