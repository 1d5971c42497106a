"""A SAML 2.0 identity provider on pysaml2 that signs one person in at once.

Argument: one JSON object with port, key, certificate, sp_entity_id, acs_url, sign (assertion, response or both) and
person {email, name, groups}; with sp_certificate (a path) and slo_url it takes signed requests only and has single
logout. host is the name under which browsers know it (127.0.0.1); with binding "post" it takes requests by forms only,
and answers so. PUT /person replaces the person, GET /logout?session=INDEX asks the service to end a session. Prints one
line when it listens.
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
base = f"http://{settings.get('host', '127.0.0.1')}:{settings['port']}"
SIGNATURE = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
binding = BINDING_HTTP_POST if settings.get("binding") == "post" else BINDING_HTTP_REDIRECT
entity_id = f"{base}/metadata"

demands_signatures = "sp_certificate" in settings


def service_keys():
    """What the service's metadata says of its key and its address for logout."""
    if not demands_signatures:
        return ""
    with open(settings["sp_certificate"]) as file:
        certificate = "".join(line for line in file.read().splitlines() if "-----" not in line)
    return (
        '<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>'
        f"<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        f'<md:SingleLogoutService Binding="{binding}" Location="{html.escape(settings["slo_url"])}"/>'
    )


sp_metadata = tempfile.NamedTemporaryFile("w", suffix=".xml", delete=False)
sp_metadata.write(
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
    f'entityID="{html.escape(settings["sp_entity_id"])}">'
    '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
    f"{service_keys()}"
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
                    "endpoints": {
                        "single_sign_on_service": [(f"{base}/sso", binding)],
                        **({"single_logout_service": [(f"{base}/slo", binding)]} if demands_signatures else {}),
                    },
                    "want_authn_requests_signed": demands_signatures,
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


def signature_of(query):
    """What signs a request by redirect, as pysaml2 takes it."""
    if not demands_signatures:
        return {}
    return {
        "relay_state": query["RelayState"][0],
        "sigalg": query["SigAlg"][0],
        "signature": query["Signature"][0],
    }


def by_redirect(message, relay_state, response):
    """The address that carries a signed message to the service."""
    sent = idp.apply_binding(
        BINDING_HTTP_REDIRECT,
        str(message),
        settings["slo_url"],
        relay_state,
        response=response,
        sign=True,
        sigalg=SIGNATURE,
    )
    return dict(sent["headers"])["Location"]


def take_logout(query):
    """Verifies the service's request for logout and answers it; or takes its answer to ours."""
    if "SAMLResponse" in query:
        return None
    request = idp.parse_logout_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT, **signature_of(query)).message
    assert request.name_id.text == settings["person"]["email"], request
    answer = idp.create_logout_response(request, [BINDING_HTTP_REDIRECT], sign=False)
    return by_redirect(answer, query["RelayState"][0], response=True)


def take_logout_form(form):
    """The same by a form: a page that brings the signed answer."""
    request = idp.parse_logout_request(form["SAMLRequest"][0], BINDING_HTTP_POST).message
    assert request.name_id.text == settings["person"]["email"], request
    answer = idp.create_logout_response(request, [BINDING_HTTP_POST], sign=True, sign_alg=SIGNATURE, digest_alg=DIGEST)
    return page(settings["slo_url"], str(answer), form["RelayState"][0])


def page(action, response, relay_state):
    """A page with a button that posts a response to the service."""
    fields = {"SAMLResponse": base64.b64encode(response.encode()).decode(), "RelayState": relay_state}
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}"/>' for name, value in fields.items()
    )
    return f'<form method="post" action="{html.escape(action)}">{inputs}<button>Go on</button></form>'


def ask_logout(session):
    request = idp.create_logout_request(
        settings["slo_url"],
        settings["sp_entity_id"],
        name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=settings["person"]["email"]),
        session_indexes=[session],
        sign=False,
    )
    message = request[1] if isinstance(request, tuple) else request
    return by_redirect(message, "theirs", response=False)


def sign_in(query):
    person = settings["person"]
    # A form brings its signature in the document.
    proof = signature_of(query) if binding == BINDING_HTTP_REDIRECT else {}
    request = idp.parse_authn_request(query["SAMLRequest"][0], binding, **proof).message
    response = idp.create_authn_response(
        {"mail": person["email"], "displayName": person["name"], "groups": person["groups"]},
        request.id,
        settings["acs_url"],
        settings["sp_entity_id"],
        name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=person["email"]),
        authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": entity_id},
        sign_assertion=settings["sign"] in ("assertion", "both"),
        sign_response=settings["sign"] in ("response", "both"),
        sign_alg=SIGNATURE,
        digest_alg=DIGEST,
    )
    return page(settings["acs_url"], str(response), query.get("RelayState", [""])[0])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urlsplit(self.path)
        if address.path == "/metadata":
            body, kind = str(entity_descriptor(idp.config)), "application/samlmetadata+xml"
        elif address.path == "/sso" and binding == BINDING_HTTP_REDIRECT:
            body, kind = sign_in(parse_qs(address.query)), "text/html"
        elif address.path in ("/slo", "/logout"):
            query = parse_qs(address.query)
            location = ask_logout(query["session"][0]) if address.path == "/logout" else take_logout(query)
            if location:
                self.send_response(303)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, kind = "signed out", "text/plain"
        else:
            self.send_error(404)
            return
        self.send_page(body, kind)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        ways = {"/sso": sign_in, "/slo": take_logout_form} if binding == BINDING_HTTP_POST else {}
        if urlsplit(self.path).path not in ways:
            self.send_error(404)
            return
        self.send_page(ways[urlsplit(self.path).path](form), "text/html")

    def send_page(self, body, kind):
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
