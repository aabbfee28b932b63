"""Services that portals are commonly connected to, found in messages without a tenant naming them."""

from __future__ import annotations

from functools import lru_cache

from deskwire_server.understanding.gazetteer import Gazetteer, GazetteerEntry

_INTEGRATIONS = """
Google Ads|adwords|google adwords
Google Analytics|ga4
Google Search Console|search console
Google Tag Manager|gtm
Google Sheets|gsheets
Google Calendar|gcal
Google Drive|gdrive
Google Workspace|g suite|gsuite
Facebook Ads|meta ads|fb ads
Facebook|meta business suite
Instagram
LinkedIn
WhatsApp|whats app
Telegram
Twitter
TikTok
YouTube
Slack
Microsoft Teams|ms teams
Discord
Zoom|zoom meetings
Outlook
Gmail
Office 365|microsoft 365|o365|m365
SharePoint
OneDrive
Dropbox
Salesforce|sales force|sfdc
HubSpot|hub spot
Pipedrive
Zendesk|zen desk
Intercom
Freshdesk
Jira
Asana
Trello
ClickUp
GitHub
GitLab
Bitbucket
Zapier
Shopify
WooCommerce|woo commerce
Magento
PrestaShop
BigCommerce
WordPress|word press
Squarespace
Webflow
Wix
Stripe
PayPal|pay pal
Klarna
Adyen
Mollie
QuickBooks|quick books
Xero
DATEV
Lexoffice
SAP
NetSuite
Mailchimp|mail chimp
Klaviyo
SendGrid
Twilio
Brevo|sendinblue
Okta
Microsoft Entra|azure ad|entra id|ms entra
Auth0
Power BI|powerbi
Looker Studio
Tableau
Snowflake
BigQuery|big query
Airtable|air table
Calendly
DocuSign
Matomo
Cloudflare
Firebase
PostgreSQL|postgres
MySQL
MongoDB
Confluence
"""


@lru_cache(maxsize=1)
def integrations() -> Gazetteer:
    """The services, as entities of the type `integration`."""
    rows = [line.split("|") for line in _INTEGRATIONS.strip().splitlines()]
    return Gazetteer(GazetteerEntry("integration", name, tuple(aliases)) for name, *aliases in rows)
