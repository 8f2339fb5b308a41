// Logs one line of each level, and says which level the host wants.

import * as extism from "./extism";
import { Level } from "./extism";

export function log_all(): i32 {
  extism.log(Level.Trace, "a trace");
  extism.log(Level.Debug, "some detail");
  extism.log(Level.Info, "a fact");
  extism.log(Level.Warn, "a warning");
  extism.log(Level.Error, "an error: é");
  return 0;
}

export function log_level(): i32 {
  extism.outputNumber<i32>(extism.env.get_log_level());
  return 0;
}
