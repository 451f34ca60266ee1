"""A configuration with one of everything."""

from tnc.core.models import (
    Action,
    Campaign,
    CampaignId,
    Cap,
    Condition,
    Configuration,
    Cost,
    Destination,
    DestinationId,
    Filter,
    FilterId,
    Flow,
    FlowId,
    Lander,
    LanderId,
    Network,
    NetworkId,
    Offer,
    OfferId,
    Source,
    SourceId,
    WeightedLander,
    WeightedOffer,
)

CONFIGURATION = Configuration(
    sources={
        SourceId("native-ads"): Source(
            id=SourceId("native-ads"),
            name="Native Ads",
            click_id="ext",
            cost="cpc",
            params={"sub1": "site", "sub2": "creative"},
        ),
        SourceId("newsletter"): Source(id=SourceId("newsletter"), name="Newsletter"),
    },
    networks={
        NetworkId("good-network"): Network(
            id=NetworkId("good-network"), name="Good Network", statuses={"sale": ("approved",)}, key="s3cret"
        )
    },
    offers={
        OfferId("shoes"): Offer(
            id=OfferId("shoes"),
            name="Running shoes",
            network=NetworkId("good-network"),
            url="https://shop.example/shoes?s2={click_id}&c={country}",
            payout=12.5,
            cap=Cap(conversions=100, then=OfferId("sandals")),
        ),
        OfferId("boots"): Offer(
            id=OfferId("boots"),
            name="Winter boots",
            network=NetworkId("good-network"),
            url="https://shop.example/boots?s2={click_id}",
            payout=18.0,
        ),
        OfferId("sandals"): Offer(id=OfferId("sandals"), name="Sandals", url="https://sandals.example/?id={click_id}"),
    },
    landers={
        LanderId("quiz"): Lander(id=LanderId("quiz"), name="Quiz", url="https://land.example/quiz?k={click_id}"),
        LanderId("story"): Lander(id=LanderId("story"), name="Story", url="https://land.example/story", paused=True),
    },
    filters={
        FilterId("standard"): Filter(
            id=FilterId("standard"),
            name="Standard filter",
            when=(
                Condition(fact="traffic", operator="is", value=["bot"]),
                Condition(fact="datacenter", operator="is", value=[True]),
            ),
        )
    },
    destinations={
        DestinationId("meta-main"): Destination(
            id=DestinationId("meta-main"),
            name="Meta, main pixel",
            type="meta",
            settings={"pixel": "123456789012345", "access_token": "EAAsecret"},
        ),
        DestinationId("google-file"): Destination(
            id=DestinationId("google-file"), name="Google file", type="google-csv", settings={"conversion_name": "Sale"}
        ),
    },
    campaigns={
        CampaignId("summer"): Campaign(
            id=CampaignId("summer"),
            name="Summer",
            path="summer",
            source=SourceId("native-ads"),
            filter=FilterId("standard"),
            cost=Cost(model="cpc", amount=0.02),
            sticky="offer",
            destinations=(DestinationId("meta-main"),),
            flows=(
                Flow(
                    id=FlowId("us-mobile"),
                    when=(
                        Condition(fact="country", operator="is", value=["US", "CA"]),
                        Condition(fact="device", operator="is", value=["mobile"]),
                    ),
                    landers=(WeightedLander(id=LanderId("quiz")), WeightedLander(id=LanderId("story"))),
                    offers=(
                        WeightedOffer(id=OfferId("shoes"), weight=70),
                        WeightedOffer(id=OfferId("boots"), weight=30),
                    ),
                ),
                Flow(id=FlowId("rest"), offers=(WeightedOffer(id=OfferId("boots")),)),
            ),
        ),
        CampaignId("autumn"): Campaign(
            id=CampaignId("autumn"),
            name="Autumn",
            path="autumn",
            source=SourceId("newsletter"),
            otherwise=Action(type="url", url="https://shop.example/"),
            flows=(Flow(id=FlowId("all"), offers=(WeightedOffer(id=OfferId("boots")),)),),
        ),
        CampaignId("spring"): Campaign(id=CampaignId("spring"), name="Spring", path="spring", paused=True),
        CampaignId("old"): Campaign(id=CampaignId("old"), name="Old one", path="old", archived=True),
    },
)
