// Calls the JSON API, under any prefix that a proxy adds. Every change a page makes goes through here.
export const ROOT = new URL("../../", import.meta.url);

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail ?? `The server responded with status ${status}.`);
    this.code = body.code;
    this.errors = body.errors ?? [];
  }
}

// body: becomes JSON, unless it is a Blob, which is sent as it is.
export async function call(method, path, body) {
  const type = body instanceof Blob ? "application/octet-stream" : "application/json";
  let response;
  try {
    response = await fetch(new URL(path.replace(/^\//, ""), ROOT), {
      method,
      // forms on other sites cannot send this header
      headers: { "X-Requested-With": "tsad", ...(body === undefined ? {} : { "Content-Type": type }) },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ detail: "The server cannot be reached.", code: "unreachable" });
  }
  if (response.status === 204) return null;
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(content, response.status);
  return content;
}
