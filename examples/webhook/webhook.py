#webhook.py
import json
import extism
from extism import Http
@extism.plugin_fn
def post_json():
    params = extism.input_json()
    url = params["url"]
    payload = params["payload"]
    response = Http.request(
        url,
        meth="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps(payload),
    )
    result = {
        "status": response.status_code,
        "body": response.data_str(),
    }
    extism.output_str(json.dumps(result))
