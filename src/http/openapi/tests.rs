use super::*;

#[test]
fn a_line_becomes_a_schema() {
    let schema = shape("id:id parent:text? note?:text tags:[text] owner?:User? count:count");
    assert_eq!(schema["required"], json!(["id", "parent", "tags", "count"]));
    let properties = &schema["properties"];
    assert_eq!(properties["id"], json!({"type": "string", "format": "uuid"}));
    assert_eq!(properties["parent"]["anyOf"][1]["type"], "null");
    assert_eq!(properties["note"], json!({"type": "string"}));
    assert_eq!(properties["tags"], json!({"type": "array", "items": {"type": "string"}}));
    assert_eq!(properties["owner"]["anyOf"][0]["$ref"], "#/components/schemas/User");
    assert_eq!(shape("User"), json!({"$ref": "#/components/schemas/User"}));
}

#[test]
fn an_operation_tells_its_parameters_and_what_can_go_wrong() {
    let operation = Operation::patch("/api/v1/users/{user}", "Changes a user")
        .needs("`users:update`")
        .query("force", "flag")
        .takes("name?:text")
        .answers(200, "User");
    let document = document("x", "https://x.example", &[operation], vec![("User", shape("id:id"))]);
    let told = &document["paths"]["/api/v1/users/{user}"]["patch"];
    assert_eq!(told["operationId"], "patch_users_user");
    assert_eq!(told["parameters"][0]["name"], "user");
    assert_eq!(told["parameters"][1], json!({"name": "force", "in": "query", "schema": {"type": "boolean"}}));
    assert_eq!(told["requestBody"]["required"], false);
    let body = &told["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["additionalProperties"], false);
    assert_eq!(told["responses"]["409"]["$ref"], "#/components/responses/409");
    assert_eq!(told["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/User");
    assert!(document["components"]["responses"]["409"].is_object());
}
