// Journey is a client of the gateway in Go, with the package that openapi-generator makes from the OpenAPI document. With
// `tjansteguiden-gateway demo` running:
//
//	pip install -r ../requirements.txt
//	openapi-generator-cli generate --config generator.yaml
//	go run .
//
// GATEWAY_URL and GATEWAY_API_KEY name another gateway.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	gateway "example.com/journey/generated"
)

func main() {
	log.SetFlags(0)
	config := gateway.NewConfiguration()
	config.Servers = gateway.ServerConfigurations{{URL: env("GATEWAY_URL", "http://127.0.0.1:8080")}}
	key := env("GATEWAY_API_KEY", "the-demo-needs-none")
	ctx := context.WithValue(context.Background(), gateway.ContextAccessToken, key)
	if err := journey(ctx, gateway.NewAPIClient(config)); err != nil {
		log.Fatal(err)
	}
}

func journey(ctx context.Context, client *gateway.APIClient) error {
	// Up to four new orders, in pages of two. A further page needs the same filters, and the cursor of the page before it. The
	// last page has no cursor.
	newOrders := client.OrdersAPI.ListOrders(ctx).Since("2016-03-14").Status([]string{"new"}).Limit(2)
	var orders []gateway.OrderSummary
	for {
		page, _, err := newOrders.Execute()
		if err != nil {
			return err
		}
		orders = append(orders, page.Items...)
		if !page.HasNextCursor() || len(orders) >= 4 {
			break
		}
		newOrders = newOrders.Cursor(page.GetNextCursor())
	}
	if len(orders) == 0 {
		return errors.New("there are no new orders")
	}
	var ids []string
	for _, order := range orders {
		ids = append(ids, strconv.FormatInt(order.Id, 10))
	}
	fmt.Println("new orders:", strings.Join(ids, ", "))

	// One order. Lists have a summary; the log and most of the customer are read with the id.
	id := orders[0].Id
	order, _, err := client.OrdersAPI.GetOrder(ctx, id).Execute()
	if err != nil {
		return err
	}
	fmt.Printf("order %d: %s, %d log entries\n", id, order.Service.GetName(), len(order.Messages))

	// A guarded change: it is made only if the order's status and log are still those that were read.
	guarded := client.OrdersAPI.ChangeOrderStatus(ctx, id).IfMatch(order.StatusTag)
	received := gateway.StatusInput{Status: gateway.ORDERSTATUS_RECEIVED}
	changed, _, err := guarded.StatusInput(received).Execute()
	if err != nil {
		return err
	}
	fmt.Printf("status: %s -> %s\n", order.GetStatus(), changed.Status)

	// The change made the tag stale, as a change of somebody else would: nothing is written.
	active := gateway.StatusInput{Status: gateway.ORDERSTATUS_ACTIVE}
	_, _, err = guarded.StatusInput(active).Execute()
	stale, err := problem(err)
	if err != nil {
		return err
	}
	fmt.Printf("stale tag: %d %s, the status is %s\n", stale.Status, stale.Code, stale.GetCurrentStatus())

	// A message with a key. After any error it can be sent again with the same key: the log gets it once.
	keyed := client.OrdersAPI.AddOrderMessage(ctx, id).IdempotencyKey(newKey())
	message := gateway.MessageInput{Type: gateway.MESSAGETYPE_ALERT, Text: "Kunden nås bäst efter kl. 16"}
	for attempt := 1; attempt <= 2; attempt++ {
		added, response, err := keyed.MessageInput(message).Execute()
		if err != nil {
			return err
		}
		how := "added"
		if response.Header.Get("Idempotency-Replayed") == "true" {
			how = "replayed"
		}
		fmt.Printf("message: %s (%s)\n", added.Text, how)
	}

	// A key stands for one message. Another text with it is an error in the program.
	other := gateway.MessageInput{Type: gateway.MESSAGETYPE_ALERT, Text: "Kunden nås inte"}
	_, _, err = keyed.MessageInput(other).Execute()
	reused, err := problem(err)
	if err != nil {
		return err
	}
	fmt.Printf("other text: %d %s\n", reused.Status, reused.Code)

	_, _, err = client.OrdersAPI.GetOrder(ctx, 999999).Execute()
	missing, err := problem(err)
	if err != nil {
		return err
	}
	fmt.Printf("order 999999: %d %s\n", missing.Status, missing.Code)

	// The customer of the order. Personal data is masked or absent unless the client has the scope `personal-data:read`.
	if !order.Customer.HasId() {
		return errors.New("the order has no customer")
	}
	customer, _, err := client.CustomersAPI.GetCustomer(ctx, order.Customer.GetId()).Execute()
	if err != nil {
		return err
	}
	fmt.Printf("customer %d: %s %s\n", customer.Id, customer.GetFirstName(), customer.GetLastName())

	// What this client may do.
	me, _, err := client.ClientAPI.GetMe(ctx).Execute()
	if err != nil {
		return err
	}
	fmt.Printf("client %s: %s\n", me.Client, strings.Join(me.Scopes, " "))
	return nil
}

// problem returns the problem document that every error response is: Code is for programs, Detail for people.
func problem(err error) (gateway.Problem, error) {
	var response *gateway.GenericOpenAPIError
	if errors.As(err, &response) {
		if problem, ok := response.Model().(gateway.Problem); ok {
			return problem, nil
		}
	}
	return gateway.Problem{}, fmt.Errorf("expected a problem, got: %w", err)
}

func newKey() string {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		log.Fatal(err)
	}
	return fmt.Sprintf("%x", key)
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
