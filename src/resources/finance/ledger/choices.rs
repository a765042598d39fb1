//! What an account can be.

use poem_openapi::Enum;

/// On which side of the books an account stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "AccountClassEnum")]
pub enum AccountClass {
    /// What the business has or is owed.
    #[default]
    Asset,
    /// What it owes.
    Liability,
    /// What belongs to its owners.
    Equity,
    /// What it earns.
    Income,
    /// What it spends.
    Expense,
}

impl AccountClass {
    pub fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Equity => "equity",
            Self::Income => "income",
            Self::Expense => "expense",
        }
    }
}

/// What an account is for. The first eight keep money.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[oai(rename_all = "snake_case", rename = "AccountTypeEnum")]
pub enum AccountType {
    /// An account at a bank.
    #[default]
    Bank,
    /// A mobile money wallet.
    MobileMoney,
    /// A cash box.
    Cash,
    /// An electronic wallet.
    Wallet,
    /// A PayPal account.
    Paypal,
    /// A savings account.
    Savings,
    /// A credit card.
    CreditCard,
    /// Money kept in another way.
    OtherMoney,
    /// What customers owe.
    Receivable,
    /// What is owed to suppliers.
    Payable,
    /// Tax that was taken and is to be handed on.
    TaxPayable,
    /// Tax that was paid and can be claimed back.
    TaxReceivable,
    /// The owners' share.
    Equity,
    /// What passes from one currency to another.
    FxClearing,
    /// A category of income.
    Income,
    /// A category of expense.
    Expense,
}

impl AccountType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::MobileMoney => "mobile_money",
            Self::Cash => "cash",
            Self::Wallet => "wallet",
            Self::Paypal => "paypal",
            Self::Savings => "savings",
            Self::CreditCard => "credit_card",
            Self::OtherMoney => "other_money",
            Self::Receivable => "receivable",
            Self::Payable => "payable",
            Self::TaxPayable => "tax_payable",
            Self::TaxReceivable => "tax_receivable",
            Self::Equity => "equity",
            Self::FxClearing => "fx_clearing",
            Self::Income => "income",
            Self::Expense => "expense",
        }
    }

    /// Is money kept there?
    pub fn is_money(self) -> bool {
        !matches!(
            self,
            Self::Receivable
                | Self::Payable
                | Self::TaxPayable
                | Self::TaxReceivable
                | Self::Equity
                | Self::FxClearing
                | Self::Income
                | Self::Expense
        )
    }

    /// May such an account be overdrawn, unless it says otherwise?
    pub fn allows_negative(self) -> bool {
        !self.is_money() || matches!(self, Self::Bank | Self::CreditCard)
    }

    /// The class of such an account, unless it says otherwise.
    pub fn class(self) -> AccountClass {
        match self {
            Self::CreditCard | Self::Payable | Self::TaxPayable => AccountClass::Liability,
            Self::Equity | Self::FxClearing => AccountClass::Equity,
            Self::Income => AccountClass::Income,
            Self::Expense => AccountClass::Expense,
            _ => AccountClass::Asset,
        }
    }

    /// Can an account of this type be of this class? Money may be one's own or a credit.
    pub fn fits(self, class: AccountClass) -> bool {
        class == self.class() || self.is_money() && matches!(class, AccountClass::Asset | AccountClass::Liability)
    }
}
