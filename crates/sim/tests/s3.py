"""Makes calls of S3 by botocore, on which AWS's own tools for Python stand.

Reads a JSON object with `url` and `calls`, and prints a list: for each call what it gave, or the code of its error.
"""

import base64
import json
import sys

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

asked = json.load(sys.stdin)
# One try a call; the bucket in the path; checksums and bodies as the call has them.
config = Config(
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path", "payload_signing_enabled": True},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


def answer(call):
    identifier, secret, token = call["credentials"]
    client = botocore.session.Session().create_client(
        "s3",
        region_name=call["region"],
        endpoint_url=asked["url"],
        aws_access_key_id=identifier,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=config,
    )
    parameters = call["parameters"]
    if "Body" in parameters:
        parameters["Body"] = base64.b64decode(parameters["Body"])
    try:
        given = getattr(client, call["operation"])(**parameters)
    except ClientError as error:
        return {"code": error.response["Error"]["Code"]}
    except BotoCoreError as error:
        return {"code": type(error).__name__}
    body = given["Body"].read() if "Body" in given else b""
    return {"etag": given.get("ETag"), "body": base64.b64encode(body).decode()}


print(json.dumps([answer(call) for call in asked["calls"]]))
