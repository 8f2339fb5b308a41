// Counts vowels, and remembers the total of all calls in a variable. The key `vowels` of the configuration
// says which letters count.

import * as extism from "./extism";

export function count_vowels(): i32 {
  const configured = extism.config("vowels");
  const vowels = configured ? configured : "aeiouAEIOU";
  const text = extism.input();

  let count: u64 = 0;
  for (let i = 0; i < text.length; i++) {
    if (vowels.includes(text.charAt(i))) count++;
  }
  const stored = extism.vars.getBytes("total");
  const total = count + (stored && stored.length == 8 ? load<u64>(stored.dataStart) : 0);

  const bytes = new Uint8Array(8);
  store<u64>(bytes.dataStart, total);
  extism.vars.setBytes("total", bytes);
  extism.output(`{"count": ${count}, "total": ${total}}`);
  return 0;
}
