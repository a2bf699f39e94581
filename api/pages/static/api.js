// Calls of the JSON API, under whatever prefix a proxy serves it. All changes go through here.
export const ROOT = new URL("../../", import.meta.url);

export class Problem extends Error {
  constructor(body, status) {
    super(body.detail ?? `The server answered ${status}.`);
    this.code = body.code;
    this.errors = body.errors ?? [];
  }
}

export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(new URL(path.replace(/^\//, ""), ROOT), {
      method,
      // a header that forms of other sites cannot send
      headers: { "X-Requested-With": "tsad", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ detail: "The server cannot be reached.", code: "unreachable" });
  }
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(content, answer.status);
  return content;
}
