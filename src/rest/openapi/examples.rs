//! Examples in the OpenAPI document: the responses of the gateway to the project's fixtures, as a test checks.

use serde_json::{Value, json};

/// An order with its details.
pub(in crate::rest) fn order() -> Value {
    json!({
        "id": 20417,
        "type": "order",
        "status": "new",
        "orderedAt": "2016-03-14T09:05:00+01:00",
        "requestedDeliveryAt": "2016-03-21T00:00:00+01:00",
        "deliverAsap": false,
        "service": {
            "id": "3105",
            "uid": "00100100",
            "name": "100/100 Mbit/s",
            "category": "Privatpersoner: Internet / Via fiber"
        },
        "provider": { "name": "Ljusbolaget" },
        "network": { "name": "Övre Åsele Stadsnät" },
        "customer": {
            "id": 18020,
            "accessId": "KC0101A06",
            "personalIdentityNumber": "191212121212",
            "firstName": "Tolvan",
            "lastName": "Tolvansson",
            "email": "tolvan@example.com",
            "address": "Exempelgatan 12",
            "postalCode": "01234",
            "city": "Åsele",
            "phone": "0701740605",
            "premise": "508-004-06-0302",
            "message": "Ring på dörren & vänta"
        },
        "messages": [
            { "at": "2016-03-14T09:05:00+01:00", "type": "system", "text": "Saved order" },
            {
                "at": "2016-03-14T09:05:00+01:00",
                "type": "system",
                "text": "Attaching order to existing customer (191212121212)"
            },
            { "at": "2016-03-14T09:05:02+01:00", "type": "error", "text": "API doesn't report the service as activated" },
            { "at": "2016-03-14T09:05:02+01:00", "text": "Found address for the provider: <order@example.net>" }
        ],
        "details": [
            { "name": "invoice type", "value": "Autogiro" },
            { "name": "monthly fee", "monthlyFee": "222" },
            { "name": "Vårkampanj: halva priset i 6 månader" }
        ],
        "statusTag": "\"773a98eb6a544e91ed5fefc1ab6d3365\""
    })
}

/// A list of orders.
pub(in crate::rest) fn order_list() -> Value {
    json!({
        "items": [
            {
                "id": 20417,
                "type": "order",
                "status": "new",
                "orderedAt": "2016-03-14T09:05:00+01:00",
                "requestedDeliveryAt": "2016-03-21T00:00:00+01:00",
                "deliverAsap": false,
                "service": { "id": "3105" },
                "provider": { "id": "40210" },
                "customer": { "id": 18020 }
            },
            {
                "id": 20418,
                "type": "order",
                "status": "delivered",
                "orderedAt": "2016-03-14T09:06:30+01:00",
                "deliverAsap": true,
                "service": { "id": "3105" },
                "provider": { "id": "40210" },
                "customer": { "id": 18021 }
            }
        ]
    })
}

/// A customer with all details.
pub(in crate::rest) fn customer() -> Value {
    json!({
        "id": 18020,
        "accessId": "KC0101A06",
        "personalIdentityNumber": "191212121212",
        "firstName": "Tolvan",
        "lastName": "Tolvansson",
        "email": "tolvan@example.com",
        "address": "Exempelgatan 12",
        "postalCode": "01234",
        "city": "Åsele",
        "phone": "0701740605",
        "premise": "508-004-06-0302",
        "message": "Ring på dörren & vänta",
        "memberId": "1234"
    })
}

/// A list of customers.
pub(in crate::rest) fn customer_list() -> Value {
    json!({
        "items": [
            {
                "id": 18020,
                "accessId": "KC0101A06",
                "personalIdentityNumber": "XXXXXXXXXX",
                "firstName": "Tolvan",
                "lastName": "Tolvansson",
                "email": "tolvan@example.com"
            },
            { "id": 18021, "personalIdentityNumber": "XXXXXXXXXX", "firstName": "Elva", "lastName": "Elvasson" }
        ]
    })
}
