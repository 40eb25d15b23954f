import com.example.gateway.ApiClient;
import com.example.gateway.ApiException;
import com.example.gateway.api.ClientApi;
import com.example.gateway.api.ClientApi.APIGetMeRequest;
import com.example.gateway.api.CustomersApi;
import com.example.gateway.api.CustomersApi.APIGetCustomerRequest;
import com.example.gateway.api.OrdersApi;
import com.example.gateway.api.OrdersApi.APIAddOrderMessageRequest;
import com.example.gateway.api.OrdersApi.APIChangeOrderStatusRequest;
import com.example.gateway.api.OrdersApi.APIGetOrderRequest;
import com.example.gateway.api.OrdersApi.APIListOrdersRequest;
import com.example.gateway.model.MessageInput;
import com.example.gateway.model.MessageType;
import com.example.gateway.model.OrderStatus;
import com.example.gateway.model.OrderSummary;
import com.example.gateway.model.Problem;
import com.example.gateway.model.StatusInput;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * A client of the gateway in Java, with the package that openapi-generator makes from the OpenAPI document, on the HTTP client
 * of the JDK. With {@code tjansteguiden-gateway demo} running:
 *
 * <pre>
 * pip install -r ../requirements.txt
 * openapi-generator-cli generate --config generator.yaml
 * javac -classpath "$JARS" -d generated/classes $(find generated/src -name '*.java') Journey.java
 * java -classpath "$JARS:generated/classes" Journey
 * </pre>
 *
 * {@code generated/pom.xml} names the JARs. GATEWAY_URL and GATEWAY_API_KEY name another gateway.
 */
public class Journey {
  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var key = environment.getOrDefault("GATEWAY_API_KEY", "the-demo-needs-none");
    var gateway = new ApiClient();
    gateway.updateBaseUri(environment.getOrDefault("GATEWAY_URL", "http://127.0.0.1:8080"));
    gateway.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    var orders = new OrdersApi(gateway);

    // Up to four new orders, in pages of two. A further page needs the same filters, and the cursor of the page before it. The
    // last page has no cursor: sent without one, the request would be for the first page again.
    var filters = APIListOrdersRequest.newBuilder().since("2016-03-14").status(List.of("new")).limit(2);
    var newOrders = new ArrayList<OrderSummary>();
    String cursor = null;
    do {
      var page = orders.listOrders(filters.cursor(cursor).build());
      newOrders.addAll(page.getItems());
      cursor = page.getNextCursor();
    } while (cursor != null && newOrders.size() < 4);
    if (newOrders.isEmpty()) throw new IllegalStateException("there are no new orders");
    var ids = newOrders.stream().map(OrderSummary::getId).map(String::valueOf).collect(Collectors.joining(", "));
    System.out.println("new orders: " + ids);

    // One order. Lists have a summary; the log and most of the customer are read with the id.
    var id = newOrders.get(0).getId();
    var order = orders.getOrder(APIGetOrderRequest.newBuilder().id(id).build());
    var service = order.getService() == null ? "no service" : order.getService().getName();
    System.out.printf("order %d: %s, %d log entries%n", id, service, order.getMessages().size());

    // A guarded change: it is made only if the order's status and log are still those that were read.
    var guarded = APIChangeOrderStatusRequest.newBuilder().id(id).ifMatch(order.getStatusTag());
    var received = new StatusInput().status(OrderStatus.RECEIVED);
    var changed = orders.changeOrderStatus(guarded.statusInput(received).build());
    System.out.printf("status: %s -> %s%n", order.getStatus(), changed.getStatus());

    // The change made the tag stale, as a change of somebody else would: nothing is written.
    var active = new StatusInput().status(OrderStatus.ACTIVE);
    var stale = problemOf(gateway, () -> orders.changeOrderStatus(guarded.statusInput(active).build()));
    System.out.printf(
        "stale tag: %d %s, the status is %s%n", stale.getStatus(), stale.getCode(), stale.getCurrentStatus());

    // A message with a key. After any error it can be sent again with the same key: the log gets it once.
    var keyed = APIAddOrderMessageRequest.newBuilder().id(id).idempotencyKey(UUID.randomUUID().toString());
    var message = new MessageInput().type(MessageType.ALERT).text("Kunden nås bäst efter kl. 16");
    for (int attempt = 1; attempt <= 2; attempt++) {
      var added = orders.addOrderMessageWithHttpInfo(keyed.messageInput(message).build());
      var how = added.getHeaders().containsKey("idempotency-replayed") ? "replayed" : "added";
      System.out.printf("message: %s (%s)%n", added.getData().getText(), how);
    }

    // A key stands for one message. Another text with it is an error in the program.
    var other = new MessageInput().type(MessageType.ALERT).text("Kunden nås inte");
    var reused = problemOf(gateway, () -> orders.addOrderMessage(keyed.messageInput(other).build()));
    System.out.printf("other text: %d %s%n", reused.getStatus(), reused.getCode());

    var unknown = APIGetOrderRequest.newBuilder().id(999_999L).build();
    var missing = problemOf(gateway, () -> orders.getOrder(unknown));
    System.out.printf("order 999999: %d %s%n", missing.getStatus(), missing.getCode());

    // The customer of the order. Personal data is masked or absent unless the client has the scope `personal-data:read`.
    if (order.getCustomer() == null || order.getCustomer().getId() == null) {
      throw new IllegalStateException("the order has no customer");
    }
    var ordering = APIGetCustomerRequest.newBuilder().id(order.getCustomer().getId()).build();
    var customer = new CustomersApi(gateway).getCustomer(ordering);
    System.out.printf("customer %d: %s %s%n", customer.getId(), customer.getFirstName(), customer.getLastName());

    // What this client may do.
    var me = new ClientApi(gateway).getMe(APIGetMeRequest.newBuilder().build());
    System.out.printf("client %s: %s%n", me.getClient(), String.join(" ", me.getScopes()));
  }

  private interface Call {
    Object run() throws ApiException;
  }

  /** The problem document of an error response: {@code code} is for programs, {@code detail} for people. */
  private static Problem problemOf(ApiClient gateway, Call call) throws Exception {
    try {
      throw new IllegalStateException("expected a problem, got " + call.run());
    } catch (ApiException error) {
      // Without a response, its cause is the failure of the connection.
      if (error.getResponseBody() == null) throw error;
      return gateway.getObjectMapper().readValue(error.getResponseBody(), Problem.class);
    }
  }
}
