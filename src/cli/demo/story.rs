//! What happened in the two businesses. Amounts and days are chosen so that every report has something to say.

use serde_json::{Value as Json, json};

use super::stage::Stage;
use crate::{
    actor::{
        Capability::{Content, Finance},
        Role::{Admin, Agent, Citizen, Customer, Manager, Staff, Teacher},
    },
    error::{Error, Result},
};

const KAMPALA: &str = "Africa/Kampala";
const KOLKATA: &str = "Asia/Kolkata";
/// The middle of Kampala.
const CENTRAL: (f64, f64) = (0.3136, 32.5811);

/// The id of what was answered.
fn id(answer: &Json) -> Result<i64> {
    answer["id"].as_i64().ok_or_else(|| Error::Internal(format!("there is no id in {answer}")))
}

/// An agency in Kampala: 41 days of leads, visits, invoices and requisitions.
pub async fn studio(stage: &mut Stage<'_>) -> Result<()> {
    stage.day(-41);
    let business = stage.business("Tamiti Studio").await?;
    stage.person(business, "enos", "Enos Tamiti", Admin, &[]).await?;
    let hope = stage.person(business, "hope", "Hope Nansubuga", Manager, &[]).await?;
    let brian = stage.person(business, "brian", "Brian Okello", Staff, &[Finance]).await?;
    let joan = stage.person(business, "joan", "Joan Achieng", Staff, &[Content]).await?;
    let sharon = stage.person(business, "sharon", "Sharon Nakato", Agent, &[]).await?;
    let grace = stage.person(business, "grace", "Grace Atim", Customer, &[]).await?;
    stage.person(business, "musa", "Musa", Citizen, &[]).await?;
    let settings = json!({
        "name": "Tamiti Studio", "currency": "UGX", "timezone": KAMPALA, "country": "UG", "prices_include_tax": false,
        "tax_number": "1000123456", "address": {"street": "Plot 7, Kampala Road", "city": "Kampala"},
    });
    stage.patch("enos", "business/settings/", settings).await?;
    stage.patch("musa", "users/profile/", json!({"neighborhood": "Kololo"})).await?;

    let mut places = vec![];
    for (department, designation) in
        [("Admin", "Manager"), ("Finance", "Officer"), ("Content", "Designer"), ("Field Operations", "Field Agent")]
    {
        let department = id(&stage.post("enos", "accounts/departments/", json!({"name": department})).await?)?;
        let designation = id(&stage.post("enos", "accounts/designations/", json!({"name": designation})).await?)?;
        places.push((department, designation));
    }
    for (user, (department, designation)) in [hope, brian, joan, sharon].into_iter().zip(places) {
        let profile = json!({"user": user, "department": department, "designation": designation});
        stage.post("enos", "accounts/staff-profiles/", profile).await?;
    }

    let vat = id(&stage.post("enos", "finance/tax-rates/", json!({"name": "VAT", "percent": "18", "is_default": true})).await?)?;
    let opening = json!({"name": "Bank", "type": "bank", "opening_balance": "5000000", "opening_date": stage.date(KAMPALA, -41)?});
    let bank = id(&stage.post("enos", "finance/accounts/", opening).await?)?;
    let mobile = id(&stage.post("enos", "finance/accounts/", json!({"name": "Mobile Money", "type": "mobile_money"})).await?)?;
    let tills = stage.get("enos", "finance/accounts/?type=cash").await?;
    let cash = id(&tills["results"][0])?;
    stage.patch("enos", &format!("finance/accounts/{cash}/"), json!({"name": "Cash box", "owner": sharon})).await?;

    let party = async |name: &str, kind: &str, user: Option<i64>| -> Result<i64> {
        id(&stage.post("brian", "finance/parties/", json!({"name": name, "type": kind, "user": user})).await?)
    };
    let green_farm = party("Green Farm", "client", Some(grace)).await?;
    let tech_solutions = party("Tech Solutions", "client", None).await?;
    let landlord = party("City Landlord", "vendor", None).await?;
    let netlink = party("NetLink", "vendor", None).await?;

    let goal = json!({
        "title": "Collect 6 000 000", "target_amount": "6000000", "start_date": stage.date(KAMPALA, -41)?,
        "due_date": stage.date(KAMPALA, 30)?, "owner": hope,
    });
    let goal = id(&stage.post("hope", "finance/goals/", goal).await?)?;
    for amount in ["1500000", "3000000", "4500000"] {
        stage.post("hope", "finance/goal-milestones/", json!({"goal": goal, "amount": amount})).await?;
    }

    let central = json!({"name": "Central", "lat": CENTRAL.0, "lon": CENTRAL.1, "radius_m": 3000, "manager": sharon});
    let central = id(&stage.post("hope", "field/zones/", central).await?)?;
    stage.post("hope", "field/zones/", json!({"name": "Masaka"})).await?;
    let lead = async |name: &str, phone: &str, more: Json| -> Result<i64> {
        let mut lead = json!({"business_name": name, "contact_phone": phone, "zone": central, "assigned_rep": sharon});
        if let (Some(lead), Some(more)) = (lead.as_object_mut(), more.as_object()) {
            lead.extend(more.clone());
        }
        id(&stage.post("sharon", "field/leads/", lead).await?)
    };

    stage.day(-40);
    let mill = lead("Old Mill", "+256700000013", json!({"source": "field"})).await?;
    let cafe = lead("Kampala Cafe", "+256700000012", json!({"source": "inbound", "expected_value": "420000"})).await?;
    // Each is issued on its day; days until they are due as agreed.
    let item = |name: &str, quantity: &str, price: &str| json!({"name": name, "quantity": quantity, "unit_cost": price, "tax_rate": vat});
    let invoice = async |day: i64, due: i64, party: i64, item: Json| -> Result<i64> {
        let (issued, due) = (stage.date(KAMPALA, day)?, stage.date(KAMPALA, due)?);
        let invoice = json!({"party": party, "issue_date": issued, "due_date": due, "items": [item], "issue": true});
        id(&stage.post("brian", "finance/invoices/", invoice).await?)
    };
    let website = invoice(-40, -26, green_farm, item("Website", "1", "2500000")).await?;

    stage.day(-35);
    let mut training = item("Training", "3", "400000");
    training["discount_type"] = "percent".into();
    training["discount_value"] = "10".into();
    let training = invoice(-35, -5, tech_solutions, training).await?;
    stage.post("sharon", &format!("field/leads/{mill}/lose/"), json!({"lost_reason": "price"})).await?;

    let visit = async |lead: i64, place: (f64, f64), outcome: &str| -> Result<()> {
        let visit = id(&stage.post("sharon", "field/visits/", json!({"lead": lead, "zone": central})).await?)?;
        stage.post("sharon", &format!("field/visits/{visit}/check-in/"), json!({"lat": place.0, "lon": place.1})).await?;
        stage.post("sharon", &format!("field/visits/{visit}/check-out/"), json!({"visit_outcome": outcome})).await.map(drop)
    };

    stage.day(-20);
    let pay = async |invoice: i64, amount: &str, account: i64, method: &str, more: Json| -> Result<()> {
        let mut payment = json!({"invoice": invoice, "amount": amount, "account": account, "method": method});
        if let (Some(payment), Some(more)) = (payment.as_object_mut(), more.as_object()) {
            payment.extend(more.clone());
        }
        stage.post("brian", "finance/payments/", payment).await.map(drop)
    };
    pay(website, "2950000", bank, "bank_transfer", json!({"goal": goal})).await?;
    let hotel = json!({"source": "field", "location": "Lake Victoria road", "expected_value": "1800000"});
    lead("Lake Hotel", "+256700000014", hotel).await?;

    stage.day(-15);
    let tech = json!({
        "source": "digital", "priority": "high", "expected_value": "3500000", "follow_up_type": "call",
        "follow_up_date": stage.date(KAMPALA, -1)?,
    });
    let tech = lead("Tech Solutions Ltd", "+256700000010", tech).await?;
    let bill = async |day: i64, due: Option<i64>, party: i64, number: &str, name: &str, amount: &str| -> Result<i64> {
        let due = due.map(|due| stage.date(KAMPALA, due)).transpose()?;
        let bill = json!({
            "direction": "incoming", "party": party, "number": number, "issue_date": stage.date(KAMPALA, day)?, "due_date": due,
            "items": [{"name": name, "unit_cost": amount}], "issue": true,
        });
        id(&stage.post("brian", "finance/invoices/", bill).await?)
    };
    let internet = bill(-15, None, netlink, "NL-2231", "Internet", "150000").await?;
    stage.day(-14);
    visit(tech, (0.3140, 32.5820), "interested").await?;

    stage.day(-12);
    bill(-12, Some(18), landlord, "RENT-11", "Rent", "800000").await?;
    stage.day(-10);
    pay(training, "500000", mobile, "mobile_money", json!({"goal": goal})).await?;
    // Some way outside of the zone.
    visit(cafe, (0.4000, 32.7000), "interested").await?;
    let farm = lead("GreenTech Farm", "+256700000011", json!({"source": "field", "location": "Gayaza"})).await?;

    stage.day(-9);
    // Not before: until yesterday there was no money on the telephone.
    pay(internet, "150000", mobile, "mobile_money", json!({"charge": "1500"})).await?;

    stage.day(-8);
    let salary = json!({"type": "expense", "amount": "1000000", "account": bank, "category": "salary", "description": "Salaries"});
    stage.post("brian", "finance/transactions/", salary).await?;
    stage.day(-6);
    let course = json!({"type": "income", "amount": "200000", "account": cash, "category": "training", "description": "Open course"});
    stage.post("brian", "finance/transactions/", course).await?;
    let ask = async |who: &str, purpose: &str, category: &str, amount: &str| -> Result<i64> {
        let requisition = json!({"purpose": purpose, "category": category, "amount": amount});
        id(&stage.post(who, "finance/requisitions/", requisition).await?)
    };
    let posters = ask("joan", "Posters for the fair", "marketing", "120000").await?;
    let shoes = ask("sharon", "New shoes", "miscellaneous", "90000").await?;
    stage.day(-5);
    let transfer = json!({"type": "transfer", "amount": "300000", "account": bank, "to_account": cash, "description": "For the cash box"});
    stage.post("brian", "finance/transactions/", transfer).await?;
    stage.post("hope", &format!("finance/requisitions/{posters}/approve/"), json!({"comment": "Go ahead"})).await?;
    stage.post("hope", &format!("finance/requisitions/{shoes}/reject/"), json!({"comment": "Not from this budget"})).await?;
    let act = async |lead: i64, kind: &str, notes: &str| -> Result<()> {
        stage.post("sharon", "field/actions/", json!({"lead": lead, "type": kind, "notes": notes})).await.map(drop)
    };
    act(tech, "call", "They want training for the whole team.").await?;
    act(farm, "call", "Nobody there; try again after the harvest.").await?;
    let school = json!({"source": "referral", "priority": "urgent", "expected_value": "2400000"});
    let school = lead("Sunrise School", "+256700000015", school).await?;
    act(school, "meeting", "Met the head teacher.").await?;
    stage.patch("sharon", &format!("field/leads/{school}/"), json!({"stage": "qualified"})).await?;

    stage.day(-4);
    stage.post("brian", &format!("finance/requisitions/{posters}/pay/"), json!({"account": cash, "method": "cash"})).await?;
    visit(school, (0.3120, 32.5800), "interested").await?;
    act(cafe, "call", "Yes to hosting for a year.").await?;
    let client = stage.post("hope", &format!("field/leads/{cafe}/convert/"), json!({})).await?;
    let client = client["party_id"].as_i64().ok_or_else(|| Error::Internal("a lead that was won has no party".into()))?;
    stage.patch("sharon", &format!("field/leads/{tech}/"), json!({"stage": "negotiation"})).await?;
    act(tech, "call", "Sent them an offer.").await?;

    stage.day(-3);
    let mut hosting = item("Hosting", "12", "35000");
    hosting["tax_rate"] = Json::Null;
    let hosting = invoice(-3, 11, client, hosting).await?;
    stage.day(-2);
    invoice(-2, 12, green_farm, item("Logo", "1", "300000")).await?;
    ask("sharon", "Travel to Masaka", "travel", "250000").await?;
    stage.day(-1);
    pay(hosting, "450000", mobile, "mobile_money", json!({"on_excess": "credit"})).await?;
    stage.day(0);
    let tomorrow = format!("{}T09:00:00+03:00", stage.date(KAMPALA, 1)?);
    let planned = json!({"lead": farm, "zone": central, "date_time": tomorrow, "location": "Gayaza"});
    stage.post("sharon", "field/visits/", planned).await.map(drop)
}

/// A music school in Bengaluru: a family and its bill. It shares no row with the agency.
pub async fn institute(stage: &mut Stage<'_>) -> Result<()> {
    stage.day(-10);
    let business = stage.business("Music Beats").await?;
    stage.person(business, "gopi", "Gopi Rao", Admin, &[]).await?;
    stage.person(business, "anita", "Anita Iyer", Teacher, &[]).await?;
    let nair = stage.person(business, "nair", "Latha Nair", Customer, &[]).await?;
    let settings = json!({"name": "Music Beats", "currency": "INR", "timezone": KOLKATA, "country": "IN", "prices_include_tax": false});
    stage.patch("gopi", "business/settings/", settings).await?;
    let gst = id(&stage.post("gopi", "finance/tax-rates/", json!({"name": "GST", "percent": "18", "is_default": true})).await?)?;
    let family = id(&stage.post("gopi", "finance/parties/", json!({"name": "Nair family", "type": "client", "user": nair})).await?)?;
    let lessons = |name: &str| json!({"name": name, "unit_cost": "2000.00", "tax_rate": gst});
    let mut second = lessons("Guitar Beginner, Meera: a month, brother or sister");
    second["discount_type"] = "percent".into();
    second["discount_value"] = "10".into();
    let bill = json!({"party": family, "items": [lessons("Guitar Beginner, Ravi: a month"), second], "issue": true});
    let bill = id(&stage.post("gopi", "finance/invoices/", bill).await?)?;
    stage.day(-3);
    stage.post("gopi", "finance/payments/", json!({"invoice": bill, "amount": "3000.00"})).await?;
    stage.day(0);
    Ok(())
}
