//! A server on turbomcp 3: `peer-turbomcp3 --listen 127.0.0.1:0 [--websocket]`.

#[path = "../../answers.rs"]
mod answers;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use turbomcp::prelude::*;
use turbomcp_server::ConnectionLimits;
use turbomcp_server::transport::websocket;

#[derive(Clone)]
struct Peer {
    tools: Arc<Vec<Tool>>,
}

impl Peer {
    fn new() -> Peer {
        let properties: Value =
            serde_json::from_str(answers::PROPERTIES).expect("the properties are JSON");
        let tool = |(name, description): (String, String)| {
            let mut tool = Tool::new(name, description);
            tool.input_schema.properties = Some(properties.clone());
            tool
        };
        Peer { tools: Arc::new(answers::tools().into_iter().map(tool).collect()) }
    }
}

impl McpHandler for Peer {
    fn server_info(&self) -> ServerInfo {
        ServerInfo::new("peer", "1.0")
    }

    // The SDK asks for the list with every call too.
    fn list_tools(&self) -> Vec<Tool> {
        self.tools.to_vec()
    }

    fn list_resources(&self) -> Vec<Resource> {
        Vec::new()
    }

    fn list_prompts(&self) -> Vec<Prompt> {
        Vec::new()
    }

    async fn call_tool<'a>(
        &'a self,
        name: &'a str,
        _: Value,
        _: &'a RequestContext,
    ) -> McpResult<ToolResult> {
        match name {
            answers::TEXT_TOOL => Ok(ToolResult::text(answers::TEXT)),
            answers::SERIES_TOOL => ToolResult::json(&answers::Series::now())
                .map_err(|error| McpError::internal(error.to_string())),
            _ => Err(McpError::tool_not_found(name)),
        }
    }

    async fn read_resource<'a>(
        &'a self,
        uri: &'a str,
        _: &'a RequestContext,
    ) -> McpResult<ResourceResult> {
        Err(McpError::resource_not_found(uri))
    }

    async fn get_prompt<'a>(
        &'a self,
        name: &'a str,
        _: Option<Value>,
        _: &'a RequestContext,
    ) -> McpResult<PromptResult> {
        Err(McpError::prompt_not_found(name))
    }
}

#[tokio::main]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let config = ServerConfig::builder()
        .connection_limits(ConnectionLimits::new(16_384))
        .max_http_sessions(16_384)
        .build();
    if std::env::args().any(|option| option == "--websocket") {
        // It binds by itself and tells no port: takes the one that is free now.
        drop(listener);
        println!("listening on http://{address}/ws");
        websocket::run_with_config(&Peer::new(), &address.to_string(), &config)
            .await
            .expect("serve");
    } else {
        println!("listening on http://{address}/mcp");
        let app = Peer::new().builder().with_config(config).into_axum_router();
        let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
            let _ = socket.set_nodelay(true);
        });
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app).await.expect("serve");
    }
}
