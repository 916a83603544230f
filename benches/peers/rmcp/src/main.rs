//! A server on rmcp: `peer-rmcp --listen 127.0.0.1:0 [--json | --websocket]`.
//!
//! Without an option it keeps legacy sessions and answers with SSE, as the SDK does by default;
//! `--json` is the cheapest that it offers.

#[path = "../../answers.rs"]
mod answers;

use std::sync::Arc;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use axum::routing::get;
use futures::{SinkExt, StreamExt, future};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};

#[derive(Clone)]
struct Peer {
    tools: Arc<Vec<Tool>>,
}

impl Peer {
    fn new() -> Peer {
        let properties: serde_json::Value =
            serde_json::from_str(answers::PROPERTIES).expect("the properties are JSON");
        let mut schema = serde_json::Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties);
        let schema = Arc::new(schema);
        let tool =
            |(name, description)| Tool::new::<String, String, _>(name, description, schema.clone());
        Peer { tools: Arc::new(answers::tools().into_iter().map(tool).collect()) }
    }
}

impl ServerHandler for Peer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build(),
        )
    }

    // Without it there is no subscriptions/listen.
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let result = match &*request.name {
            answers::TEXT_TOOL => CallToolResult::success(vec![ContentBlock::text(answers::TEXT)]),
            answers::SERIES_TOOL => {
                let series = serde_json::to_value(answers::Series::now());
                CallToolResult::structured(
                    series.map_err(|error| ErrorData::internal_error(error.to_string(), None))?,
                )
            }
            name => return Err(ErrorData::invalid_params(format!("no tool {name}"), None)),
        };
        Ok(result.into())
    }
}

#[tokio::main]
async fn main() {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let peer = Peer::new();
    let app = if has("--websocket") {
        Router::new().route("/mcp", get(move |upgrade| upgraded(upgrade, peer)))
    } else {
        let config = StreamableHttpServerConfig::default()
            .with_json_response(has("--json"))
            .with_legacy_session_mode(!has("--json"));
        let sessions = Arc::new(LocalSessionManager::default());
        let service = StreamableHttpService::new(move || Ok(peer.clone()), sessions, config);
        Router::new().nest_service("/mcp", service)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    println!("listening on http://{}/mcp", listener.local_addr().expect("address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("serve");
}

async fn upgraded(upgrade: WebSocketUpgrade, peer: Peer) -> Response {
    upgrade.on_upgrade(async move |socket: WebSocket| {
        let (sink, stream) = socket.split();
        let sink = sink.with(|message| {
            future::ready(match serde_json::to_string(&message) {
                Ok(text) => Ok(Message::text(text)),
                Err(error) => Err(axum::Error::new(error)),
            })
        });
        let stream = stream.filter_map(|message| {
            future::ready(match message {
                Ok(Message::Text(text)) => serde_json::from_str(&text).ok(),
                _ => None,
            })
        });
        if let Ok(running) = peer.serve((sink, stream)).await {
            let _ = running.waiting().await;
        }
    })
}
