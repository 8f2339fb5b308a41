// Fetches and posts. The URL is the configuration's, so that the input can be the body.

import * as extism from "./extism";

function url(): string {
  const found = extism.config("url");
  return found ? found : "";
}

function give(response: extism.Response): i32 {
  extism.output(`${response.status} ${response.text()}`);
  return 0;
}

export function get(): i32 {
  return give(new extism.Request(url()).send());
}

export function post(): i32 {
  const request = new extism.Request(url(), "post", extism.inputBytes());
  request.headers.set("content-type", "text/plain");
  request.headers.set("x-from", 'a "plug-in" in AssemblyScript');
  return give(request.send());
}

/** The response's headers, as the host gives them. */
export function headers(): i32 {
  extism.output(new extism.Request(url()).send().headers);
  return 0;
}

/** The status of the last request of this plug-in, as four bytes. */
export function status(): i32 {
  extism.outputNumber<i32>(extism.env.http_status_code());
  return 0;
}
