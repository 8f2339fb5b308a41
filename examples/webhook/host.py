# host.py
# /// script
# dependencies = ["extism"]
# ///
import json
import extism
wasm_file = "webhook.wasm"
input_data = {
    "url": "https://webhook.site/dc895b92-0b21-46db-a9c0-766dd87e8b0f",
    "payload": {
        "name": "Thejesh from inside the sandbox",
        "seq": 1,
    },
}
manifest = {
    "wasm": [{"path": wasm_file}],
    "allowed_hosts": ["webhook.site"],
}
with extism.Plugin(
    manifest,
    wasi=True,
) as plugin:
    result = plugin.call("post_json", json.dumps(input_data).encode())
    print(result.decode())
