"""A SAML 2.0 identity provider on pysaml2 that signs one person in at once.

Argument: one JSON object with port, key, certificate, sp_entity_id, acs_url, sign (assertion, response or both) and
person {email, name, groups}. PUT /person replaces the person. Prints one line when it listens.
"""

import base64
import html
import json
import os
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, config, server
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NameID

settings = json.loads(sys.argv[1])
base = f"http://127.0.0.1:{settings['port']}"
entity_id = f"{base}/metadata"

sp_metadata = tempfile.NamedTemporaryFile("w", suffix=".xml", delete=False)
sp_metadata.write(
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
    f'entityID="{html.escape(settings["sp_entity_id"])}">'
    '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
    f'<md:AssertionConsumerService Binding="{BINDING_HTTP_POST}" '
    f'Location="{html.escape(settings["acs_url"])}" index="0" isDefault="true"/>'
    "</md:SPSSODescriptor></md:EntityDescriptor>"
)
sp_metadata.close()

idp = server.Server(
    config=config.IdPConfig().load(
        {
            "entityid": entity_id,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "key_file": settings["key"],
            "cert_file": settings["certificate"],
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{base}/sso", BINDING_HTTP_REDIRECT)]},
                    "name_id_format": [NAMEID_FORMAT_EMAILADDRESS],
                    "policy": {
                        "default": {
                            "lifetime": {"minutes": 5},
                            "attribute_restrictions": None,
                            "name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
                        }
                    },
                }
            },
            "metadata": {"local": [sp_metadata.name]},
            "allow_unknown_attributes": True,
        }
    )
)
os.unlink(sp_metadata.name)


def sign_in(query):
    person = settings["person"]
    request = idp.parse_authn_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT).message
    response = idp.create_authn_response(
        {"mail": person["email"], "displayName": person["name"], "groups": person["groups"]},
        request.id,
        settings["acs_url"],
        settings["sp_entity_id"],
        name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=person["email"]),
        authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": entity_id},
        sign_assertion=settings["sign"] in ("assertion", "both"),
        sign_response=settings["sign"] in ("response", "both"),
        sign_alg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
    )
    fields = {
        "SAMLResponse": base64.b64encode(str(response).encode()).decode(),
        "RelayState": query.get("RelayState", [""])[0],
    }
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}"/>' for name, value in fields.items()
    )
    return f'<form method="post" action="{html.escape(settings["acs_url"])}">{inputs}</form>'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urlsplit(self.path)
        if address.path == "/metadata":
            body, kind = str(entity_descriptor(idp.config)), "application/samlmetadata+xml"
        elif address.path == "/sso":
            body, kind = sign_in(parse_qs(address.query)), "text/html"
        else:
            self.send_error(404)
            return
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self):
        settings["person"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


listener = ThreadingHTTPServer(("127.0.0.1", settings["port"]), Handler)
print("listening", flush=True)
listener.serve_forever()
