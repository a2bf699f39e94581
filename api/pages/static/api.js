// Calls the JSON API, under any prefix that a proxy adds. Every change a page makes goes through here.
export const ROOT = new URL("../../", import.meta.url);

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail ?? `The server responded with status ${status}.`);
    this.code = body.code;
    this.errors = body.errors ?? [];
  }
}

export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(new URL(path.replace(/^\//, ""), ROOT), {
      method,
      // forms on other sites cannot send this header
      headers: { "X-Requested-With": "tsad", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ detail: "The server cannot be reached.", code: "unreachable" });
  }
  if (response.status === 204) return null;
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(content, response.status);
  return content;
}
