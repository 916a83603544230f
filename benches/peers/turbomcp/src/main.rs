//! A server on turbomcp 4: `peer-turbomcp --listen 127.0.0.1:0 [--websocket]`.

#[path = "../../answers.rs"]
mod answers;

use std::sync::Arc;

use turbomcp::http::{HttpConfig, router};
use turbomcp::neutral::{CallToolParams, CallToolResult, ListParams, ListToolsResult, Tool};
use turbomcp::{
    CallToolContext, Implementation, IntoCallToolResult, IntoServerBuilder, Json,
    LegacySessionAdapter, ListToolsContext, McpError, McpResult, McpServerCore, WithTools,
};

#[derive(Clone)]
struct Peer {
    tools: Arc<Vec<Tool>>,
}

impl Peer {
    fn new() -> Peer {
        let properties: serde_json::Value =
            serde_json::from_str(answers::PROPERTIES).expect("the properties are JSON");
        let schema = serde_json::json!({ "type": "object", "properties": properties });
        let tool = |(name, description): (String, String)| {
            let mut tool = Tool::new(name, schema.clone());
            tool.description = Some(description);
            tool
        };
        Peer { tools: Arc::new(answers::tools().into_iter().map(tool).collect()) }
    }
}

impl McpServerCore for Peer {
    fn server_info(&self) -> Implementation {
        Implementation::new("peer", "1.0")
    }
}

impl WithTools for Peer {
    // Without it every call would walk the list.
    async fn lookup_tool(&self, _: &ListToolsContext, name: String) -> McpResult<Option<Tool>> {
        Ok(self.tools.iter().find(|tool| tool.name == name).cloned())
    }

    async fn list_tools(&self, _: &ListToolsContext, _: ListParams) -> McpResult<ListToolsResult> {
        Ok(ListToolsResult::new(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        _: &CallToolContext,
        params: CallToolParams,
    ) -> McpResult<CallToolResult> {
        match params.name.as_str() {
            answers::TEXT_TOOL => answers::TEXT.into_call_tool_result(),
            answers::SERIES_TOOL => Json(answers::Series::now()).into_call_tool_result(),
            name => Err(McpError::invalid_params(format!("no tool {name}"))),
        }
    }
}

#[tokio::main]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    println!("listening on http://{}/mcp", listener.local_addr().expect("address"));
    let dispatcher = Peer::new().into_server().with_tools().build();
    if std::env::args().any(|option| option == "--websocket") {
        let service = move || LegacySessionAdapter::new(dispatcher.clone());
        turbomcp::ws::serve_websocket(listener, service).await.expect("serve");
    } else {
        let app = router(dispatcher, HttpConfig::new().max_concurrent_requests(16_384));
        let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
            let _ = socket.set_nodelay(true);
        });
        let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
        axum::serve(listener, app).await.expect("serve");
    }
}
